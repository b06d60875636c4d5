//! The component of holt.
