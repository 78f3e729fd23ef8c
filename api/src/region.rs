//! How a place counts time, speaks and pays: names that the lists of the world know.

use icu_locale_core::Locale;
use iso_currency::Currency;
use jiff::tz::TimeZone;

/// The name of a time zone, spelled as the IANA database spells it.
pub(crate) fn timezone(name: &str) -> Result<String, &'static str> {
    let unknown = "give a time zone of the IANA database, like Africa/Nairobi or UTC";
    let zone = TimeZone::get(name).map_err(|_| unknown)?;
    zone.iana_name().map(str::to_owned).ok_or(unknown)
}

/// A language tag, in the letters that BCP 47 writes it with.
pub(crate) fn locale(tag: &str) -> Result<String, &'static str> {
    let unreadable = "give a language tag of BCP 47, like sw-KE or pt-BR";
    let tag = Locale::try_from_str(tag).map_err(|_| unreadable)?.to_string();
    if tag.len() <= 35 && tag != "und" { Ok(tag) } else { Err(unreadable) }
}

/// A currency's code.
pub(crate) fn currency(code: &str) -> Result<String, &'static str> {
    let unknown = "give a code of ISO 4217 in capital letters, like KES";
    Currency::from_code(code).map(|currency| currency.code().to_owned()).ok_or(unknown)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_the_world_knows_is_spelled_in_one_way() {
        assert_eq!(timezone("africa/nairobi").unwrap(), "Africa/Nairobi");
        assert_eq!(timezone("UTC").unwrap(), "UTC");
        assert_eq!(locale("PT-br").unwrap(), "pt-BR");
        assert_eq!(locale("zh-hant-tw").unwrap(), "zh-Hant-TW");
        assert_eq!(currency("KES").unwrap(), "KES");
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        for name in ["", "Nairobi", "Africa/Baraka", "+03:00", "../etc/passwd"] {
            assert!(timezone(name).is_err(), "{name}");
        }
        for tag in ["", "english", "e", "en_", "x", "en-", "und"] {
            assert!(locale(tag).is_err(), "{tag}");
        }
        for code in ["", "kes", "KS", "ZZZ", "KESH"] {
            assert!(currency(code).is_err(), "{code}");
        }
    }
}
