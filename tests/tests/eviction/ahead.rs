//! Reading ahead: nothing is.

#[derive(Default)]
pub struct Ahead(());
