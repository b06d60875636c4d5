//! Control blocks by frame number.
//!
//! Owns: where each control block is. Two levels, so that a number from a damaged store costs
//! a page of memory and not an array up to it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Frame;
use crate::limits::DIRECTORY_FRAMES;

type Group = [Option<Box<Frame>>; DIRECTORY_FRAMES];

/// Control blocks of the frames that have one.
#[derive(Default)]
pub struct Directory {
    groups: Vec<Option<Box<Group>>>,
}

impl Directory {
    /// The control block of a frame.
    #[inline]
    pub fn get(&self, frame: u32) -> Option<&Frame> {
        let at = frame as usize;
        match self.groups.get(at / DIRECTORY_FRAMES) {
            Some(Some(group)) => group[at % DIRECTORY_FRAMES].as_deref(),
            _ => None,
        }
    }

    /// The control block of a frame, to change.
    #[inline]
    pub fn get_mut(&mut self, frame: u32) -> Option<&mut Frame> {
        let at = frame as usize;
        match self.groups.get_mut(at / DIRECTORY_FRAMES) {
            Some(Some(group)) => group[at % DIRECTORY_FRAMES].as_deref_mut(),
            _ => None,
        }
    }

    /// Sets the control block of a frame.
    pub fn set(&mut self, frame: u32, control: Frame) {
        let at = frame as usize;
        let group = at / DIRECTORY_FRAMES;
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, || None);
        }
        let group =
            self.groups[group].get_or_insert_with(|| Box::new([const { None }; DIRECTORY_FRAMES]));
        group[at % DIRECTORY_FRAMES] = Some(Box::new(control));
    }

    /// Takes the control block of a frame out, if there is one.
    pub fn remove(&mut self, frame: u32) {
        let at = frame as usize;
        if let Some(Some(group)) = self.groups.get_mut(at / DIRECTORY_FRAMES) {
            group[at % DIRECTORY_FRAMES] = None;
        }
    }
}
