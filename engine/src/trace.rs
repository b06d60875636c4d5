//! Spans and events for `tracing`, where its feature is on; nothing where it is not.
//!
//! Owns: the choice, so that callers need none. Rare and long things are spans (opening, a
//! checkpoint, compaction of a frame), what a person should hear of is an event; single reads
//! and writes are neither.

/// What stands for a span where there are none.
#[cfg(not(feature = "tracing"))]
pub(crate) struct NoSpan;

/// Opens a span that lasts until the value is dropped: a name, then fields.
macro_rules! span {
    ($name:literal $(, $field:ident = $value:expr)* $(,)?) => {{
        #[cfg(feature = "tracing")]
        let span = tracing::info_span!(target: "holt", $name $(, $field = $value)*).entered();
        #[cfg(not(feature = "tracing"))]
        let span = {
            $(let _ = &$value;)*
            crate::trace::NoSpan
        };
        span
    }};
}

/// Tells of something at a level (`debug`, `info`, `warn`): fields, then a text.
macro_rules! tell {
    ($level:ident, $text:literal $(, $field:ident = $value:expr)* $(,)?) => {{
        #[cfg(feature = "tracing")]
        tracing::$level!(target: "holt", $($field = $value,)* $text);
        #[cfg(not(feature = "tracing"))]
        { $(let _ = &$value;)* }
    }};
}

pub(crate) use {span, tell};
