//! Figures and reports of the engine as the types generated for plugins.

use crate::sandbox::corruption_from_wit;
use crate::sandbox::corruption_to_wit;

holt_wire::store_conversions!(crate::plugin::bindings::holt::metadata::store);
