use serde::Serialize;

use crate::files;

/// The first setting of `before` that `now` has otherwise, in words.
pub fn difference<T: Serialize>(before: &T, now: &T) -> Option<String> {
    let table = |settings: &T| toml::Value::Table(toml::Table::try_from(settings).unwrap_or_default());
    first_difference("", &table(before), &table(now))
}

/// The first value that two tables do not share.
fn first_difference(name: &str, before: &toml::Value, now: &toml::Value) -> Option<String> {
    let (toml::Value::Table(before), toml::Value::Table(now)) = (before, now) else {
        let other = || files::printable(&format!("{name} was {before}, now it is {now}"));
        return (before != now).then(other);
    };
    let keys = before.keys().chain(now.keys().filter(|key| !before.contains_key(*key)));
    keys.map(|key| (if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, key)).find_map(
        |(name, key)| match (before.get(key), now.get(key)) {
            (Some(before), Some(now)) => first_difference(&name, before, now),
            (Some(before), None) => {
                Some(files::printable(&format!("{name} was {before}, now it is not set")))
            }
            (None, Some(now)) => Some(format!("{name} was not set, now it is {now}")),
            (None, None) => None,
        },
    )
}
