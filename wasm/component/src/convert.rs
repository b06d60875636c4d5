//! Errors, data and figures between the engine and the generated types.

holt_wire::error_conversions!(crate::bindings::holt::metadata::types);
holt_wire::data_conversions!(crate::bindings::holt::metadata::types);
holt_wire::store_conversions!(crate::bindings::exports::holt::metadata::store);
holt_wire::database_conversions!(crate::bindings::exports::holt::metadata::database);
