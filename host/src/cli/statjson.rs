//! Stat records as people and programs read them: a line of `ls -l`, a JSON object.
//!
//! Owns: the columns and the field names. Never does: read or write a record's bytes.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::keys::escape;
use super::output::add_bytes;
use super::statrec::{Kind, StatRecord};

/// The JSON object; `target` only for links.
pub fn object(stat: &StatRecord) -> Value {
    let mut map = Map::new();
    map.insert("kind".into(), stat.kind.name().into());
    map.insert("mode".into(), format!("{:04o}", stat.permissions).into());
    map.insert("size".into(), stat.size.into());
    map.insert("uid".into(), stat.uid.into());
    map.insert("gid".into(), stat.gid.into());
    map.insert("mtime".into(), stat.mtime.into());
    map.insert("mtime_nanos".into(), stat.mtime_nanos.into());
    map.insert("links".into(), stat.links.into());
    if stat.kind == Kind::Link {
        add_bytes(&mut map, "target", &stat.target);
    }
    map.into()
}

/// The line of `ls -l` for the entry shown as `name`.
pub fn line(stat: &StatRecord, name: &str) -> String {
    let arrow = match stat.kind {
        Kind::Link => format!(" -> {}", escape(&stat.target)),
        _ => String::new(),
    };
    format!(
        "{} {:>5} {:>5} {:>5} {:>12} {:<20} {name}{arrow}",
        mode(stat),
        stat.links,
        stat.uid,
        stat.gid,
        stat.size,
        time_of(stat.mtime),
    )
}

/// Kind and permissions in the ten letters of `ls -l`.
fn mode(stat: &StatRecord) -> String {
    let mut out = String::from(stat.kind.letter());
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    for (place, (bit, with_execute, without)) in special.into_iter().enumerate() {
        let bits = (stat.permissions >> (6 - 3 * place)) & 7;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (stat.permissions & bit != 0, bits & 1 != 0) {
            (true, true) => with_execute,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    out
}

/// Seconds since 1970 as a UTC time; as they are if no calendar holds them.
fn time_of(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("@{seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(kind: Kind, permissions: u16, mtime: i64) -> StatRecord {
        StatRecord {
            kind,
            permissions,
            size: 9,
            uid: 1,
            gid: 2,
            mtime,
            mtime_nanos: 0,
            links: 3,
            target: b"to\n".into(),
        }
    }

    #[test]
    fn lines_look_like_those_of_the_system() {
        let line = line(&stat(Kind::Link, 0o777, -1), "k");
        assert_eq!(
            line,
            "lrwxrwxrwx     3     1     2            9 1969-12-31T23:59:59Z k -> to\\n"
        );
        assert_eq!(mode(&stat(Kind::Directory, 0o1777, 0)), "drwxrwxrwt");
        assert_eq!(mode(&stat(Kind::File, 0o6640, 0)), "-rwSr-S---");
        assert_eq!(mode(&stat(Kind::File, 0o4755, 0)), "-rwsr-xr-x");
        assert_eq!(time_of(0), "1970-01-01T00:00:00Z");
        assert_eq!(time_of(i64::MAX), format!("@{}", i64::MAX));
        assert_eq!(time_of(i64::MIN), format!("@{}", i64::MIN));
    }
}
