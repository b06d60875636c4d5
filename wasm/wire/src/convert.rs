//! Errors of the engine as the types that the two binding generators make.
//!
//! Both generators (wit-bindgen in the guest, wasmtime in the host) make types of the same names
//! and shapes from `wit/`, so one set of conversions, as macros, serves both.

/// Makes `error_to_wit`, `error_from_wit`, `corruption_to_wit` and `corruption_from_wit` for the
/// generated module `holt:metadata/types` at the given path.
#[macro_export]
macro_rules! error_conversions {
    ($($types:tt)*) => {
        use ::holt_engine::error as engine;
        use $($types)* as wit;

        $crate::class_conversions!(
            Superblock, Manifest, Checksum, PageLayout, Identity, Order, Fingerprint, Bounds,
            Fence, Routing, Reachability, Space, Count, Version, Log, Root, Catalog,
        );

        /// A piece of damage, to cross the boundary.
        pub(crate) fn corruption_to_wit(damage: engine::Corruption) -> wit::Corruption {
            wit::Corruption {
                class: class_to_wit(damage.class),
                blob: damage.blob.map(|blob| blob.0),
                page: damage.page,
                detail: damage.detail,
            }
        }

        /// A piece of damage that crossed the boundary.
        pub(crate) fn corruption_from_wit(damage: wit::Corruption) -> engine::Corruption {
            engine::Corruption {
                class: class_from_wit(damage.class),
                blob: damage.blob.map(::holt_engine::ids::BlobId),
                page: damage.page,
                detail: $crate::text::bounded(&damage.detail),
            }
        }

        fn io_to_wit(error: engine::IoError) -> wit::IoError {
            use engine::IoErrorKind as From;
            use wit::IoErrorKind as To;
            let kind = match error.kind {
                From::NotFound => To::NotFound,
                From::PermissionDenied => To::PermissionDenied,
                From::NoSpace => To::NoSpace,
                From::ReadOnlyFilesystem => To::ReadOnlyFilesystem,
                From::UnexpectedEof => To::UnexpectedEof,
                From::Poisoned => To::Poisoned,
                _ => To::Device,
            };
            wit::IoError { kind, call: error.call, detail: error.detail }
        }

        fn io_from_wit(error: wit::IoError) -> engine::IoError {
            use engine::IoErrorKind as To;
            use wit::IoErrorKind as From;
            let kind = match error.kind {
                From::NotFound => To::NotFound,
                From::PermissionDenied => To::PermissionDenied,
                From::NoSpace => To::NoSpace,
                From::ReadOnlyFilesystem => To::ReadOnlyFilesystem,
                From::UnexpectedEof => To::UnexpectedEof,
                From::Poisoned => To::Poisoned,
                From::Device => To::Device,
            };
            let text = $crate::text::bounded;
            engine::IoError::new(kind, text(&error.call), text(&error.detail))
        }

        /// An error of the engine, to cross the boundary.
        pub(crate) fn error_to_wit(error: engine::Error) -> wit::Error {
            use engine::Error as From;
            use wit::Error as To;
            match error {
                From::KeyTooLong { len } => To::KeyTooLong(len as u64),
                From::ValueTooLong { len } => To::ValueTooLong(len as u64),
                From::WalRecordTooLarge { bytes, maximum } => {
                    let (bytes, maximum) = (bytes as u64, maximum as u64);
                    To::RecordTooLarge(wit::RecordTooLarge { bytes, maximum })
                }
                From::BatchTooLarge { len } => To::BatchTooLarge(len as u64),
                From::BatchTooWide { pages } => To::BatchTooWide(pages as u64),
                From::TooManyPrefixOps { len } => To::TooManyPrefixOperations(len as u64),
                From::GuardFailed => To::GuardFailed,
                From::TreeNotFound { name } => To::TreeNotFound(name),
                From::TreeExists { name } => To::TreeExists(name),
                From::InvalidTreeName { reason } => To::InvalidTreeName(reason.into()),
                From::TreeDropped => To::TreeDropped,
                From::GcRequiresStandaloneTree => To::GcRequiresStandaloneTree,
                From::OutsideViewScope { requested_len, scope_len } => {
                    let (requested_len, scope_len) = (requested_len as u64, scope_len as u64);
                    To::OutsideViewScope(wit::OutsideScope { requested_len, scope_len })
                }
                From::SnapshotEpochExhausted => To::SnapshotEpochExhausted,
                From::InvalidImage { why } => To::InvalidImage(why.into()),
                From::Expired { what, advice } => {
                    To::Expired(wit::Expiry { what: what.into(), advice: advice.into() })
                }
                From::NotFound => To::NotFound,
                From::DstExists => To::DestinationExists,
                From::ReadOnly => To::ReadOnly,
                From::NoStore { path } => To::NoStore(path),
                From::Locked { path } => To::Locked(path),
                From::Poisoned { cause } => To::Poisoned(cause),
                From::BlobStoreIo(error) => To::Io(io_to_wit(error)),
                From::Corrupt(damage) => To::Corrupt(corruption_to_wit(damage)),
                From::NotAStore { what, why } => To::NotAStore(wit::NotAStore { what, why }),
                From::UnsupportedFormat { found, supported } => {
                    To::UnsupportedFormat(wit::UnsupportedFormat { found, supported })
                }
                From::QuotaExceeded { what, limit } => {
                    To::QuotaExceeded(wit::Quota { what: what.into(), limit })
                }
                From::InvalidArgument { what, why } => {
                    let (what, why) = (what.into(), why.into());
                    To::InvalidArgument(wit::InvalidArgument { what, why })
                }
                From::Interrupted { call, cause, outcome_unknown } => {
                    To::Interrupted(wit::Interruption { call, cause, outcome_unknown })
                }
                // Where a batch over several trees fails, `failed-commit` says the rest.
                From::Atomic { source, .. } => return error_to_wit(*source),
                other => To::Other(other.to_string()),
            }
        }

        /// An error that crossed the boundary. Its texts are cut, its numbers are not trusted.
        pub(crate) fn error_from_wit(error: wit::Error) -> engine::Error {
            use engine::Error as To;
            use wit::Error as From;
            let text = |text: String| $crate::text::bounded(&text);
            let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
            match error {
                From::KeyTooLong(len) => To::KeyTooLong { len: size(len) },
                From::ValueTooLong(len) => To::ValueTooLong { len: size(len) },
                From::RecordTooLarge(wit::RecordTooLarge { bytes, maximum }) => {
                    To::WalRecordTooLarge { bytes: size(bytes), maximum: size(maximum) }
                }
                From::BatchTooLarge(len) => To::BatchTooLarge { len: size(len) },
                From::BatchTooWide(pages) => To::BatchTooWide { pages: size(pages) },
                From::TooManyPrefixOperations(len) => To::TooManyPrefixOps { len: size(len) },
                From::GuardFailed => To::GuardFailed,
                From::TreeNotFound(name) => To::TreeNotFound { name: text(name) },
                From::TreeExists(name) => To::TreeExists { name: text(name) },
                From::InvalidTreeName(reason) => {
                    To::InvalidTreeName { reason: $crate::text::name(&reason) }
                }
                From::TreeDropped => To::TreeDropped,
                From::GcRequiresStandaloneTree => To::GcRequiresStandaloneTree,
                From::OutsideViewScope(wit::OutsideScope { requested_len, scope_len }) => {
                    let (requested_len, scope_len) = (size(requested_len), size(scope_len));
                    To::OutsideViewScope { requested_len, scope_len }
                }
                From::SnapshotEpochExhausted => To::SnapshotEpochExhausted,
                From::InvalidImage(why) => To::InvalidImage { why: $crate::text::name(&why) },
                From::Expired(wit::Expiry { what, advice }) => {
                    let (what, advice) = ($crate::text::name(&what), $crate::text::name(&advice));
                    To::Expired { what, advice }
                }
                From::NotFound => To::NotFound,
                From::DestinationExists => To::DstExists,
                From::ReadOnly => To::ReadOnly,
                From::NoStore(path) => To::NoStore { path: text(path) },
                From::Locked(path) => To::Locked { path: text(path) },
                From::Poisoned(cause) => To::Poisoned { cause: text(cause) },
                From::Io(error) => To::BlobStoreIo(io_from_wit(error)),
                From::Corrupt(damage) => To::Corrupt(corruption_from_wit(damage)),
                From::NotAStore(wit::NotAStore { what, why }) => {
                    To::NotAStore { what: text(what), why: text(why) }
                }
                From::UnsupportedFormat(wit::UnsupportedFormat { found, supported }) => {
                    To::UnsupportedFormat { found, supported }
                }
                From::QuotaExceeded(wit::Quota { what, limit }) => {
                    To::QuotaExceeded { what: $crate::text::name(&what), limit }
                }
                From::InvalidArgument(wit::InvalidArgument { what, why }) => {
                    let (what, why) = ($crate::text::name(&what), $crate::text::name(&why));
                    To::InvalidArgument { what, why }
                }
                From::Interrupted(wit::Interruption { call, cause, outcome_unknown }) => {
                    To::Interrupted { call: text(call), cause: text(cause), outcome_unknown }
                }
                From::Other(detail) => {
                    let kind = engine::IoErrorKind::Device;
                    engine::IoError::new(kind, "call across the sandbox", text(detail)).into()
                }
            }
        }
    };
}

/// Makes `class_to_wit` and `class_from_wit`: classes of damage, by name.
#[doc(hidden)]
#[macro_export]
macro_rules! class_conversions {
    ($($name:ident),* $(,)?) => {
        fn class_to_wit(class: engine::CorruptionClass) -> wit::CorruptionClass {
            match class {
                $(engine::CorruptionClass::$name => wit::CorruptionClass::$name,)*
                _ => wit::CorruptionClass::Other,
            }
        }

        fn class_from_wit(class: wit::CorruptionClass) -> engine::CorruptionClass {
            match class {
                $(wit::CorruptionClass::$name => engine::CorruptionClass::$name,)*
                // A class this version has no name for; the detail says what it is.
                wit::CorruptionClass::Other => engine::CorruptionClass::Checksum,
            }
        }
    };
}
