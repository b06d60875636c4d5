//! The web of holt.
