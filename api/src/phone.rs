//! Phone numbers as people write them, to the digits by which a contact is known.

use phonenumber::Mode;

use crate::problem::Problem;

const MOST: usize = 40;

/// Digits with country code, as WhatsApp's `wa_id`: `+234 803 123 4567` becomes `2348031234567`.
pub(crate) fn digits(written: &str) -> Result<String, Problem> {
    let written = written.trim();
    if written.chars().count() > MOST {
        return Err(invalid("that is too long for a phone number"));
    }
    let international = match written.strip_prefix("00").or_else(|| written.strip_prefix('+')) {
        Some(rest) => format!("+{rest}"),
        None if written.starts_with(|first: char| ('1'..='9').contains(&first)) => {
            format!("+{written}")
        }
        None => {
            return Err(invalid(
                "write the number with its country code, like +2348031234567 for Nigeria's 0803 123 4567",
            ));
        }
    };
    let number = phonenumber::parse(None, international).map_err(|_| {
        invalid("that is no phone number; write digits after + and the country code")
    })?;
    if !number.is_valid() {
        return Err(invalid(
            "no such number can exist in its country; check the country code and count the digits",
        ));
    }
    let e164 = number.format().mode(Mode::E164).to_string();
    Ok(e164.trim_start_matches('+').to_owned())
}

fn invalid(detail: &str) -> Problem {
    Problem::field("phone", "contact.invalid_phone", detail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_the_same_however_it_is_written() {
        for written in
            ["+234 803 123 4567", "002348031234567", "2348031234567", " +234-(803)-123-4567 "]
        {
            assert_eq!(digits(written).unwrap(), "2348031234567");
        }
    }

    #[test]
    fn a_number_without_country_or_that_cannot_exist_is_refused() {
        for written in ["08031234567", "", "+", "Ana", "+234 1", "+999 123 456 789", "12"] {
            assert_eq!(digits(written).unwrap_err().code(), "contact.invalid_phone");
        }
        assert!(digits(&"1".repeat(1000)).is_err());
    }
}
