//! Files under holt.
