//! Amounts as pawaPay writes them: decimal texts, compared and counted as hundredths.

/// Hundredths of the currency, and how many decimals were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) hundredths: i128,
    pub(super) decimals: usize,
}

impl Amount {
    /// None for what the API's pattern for amounts doesn't let through: no sign, no zero in front
    /// of another digit, two decimals at most.
    pub(super) fn parse(text: &str) -> Option<Amount> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let decimals = fraction.len();
        let fits = (1..=18).contains(&whole.len()) && decimals <= 2;
        let odd = (whole.len() > 1 && whole.starts_with('0'))
            || (text.contains('.') && fraction.is_empty());
        if !fits || odd || !digits(whole) || !digits(fraction) {
            return None;
        }
        let hundredths = format!("{whole}{fraction:0<2}").parse().ok()?;
        Some(Amount { hundredths, decimals })
    }

    /// With two decimals, in which statuses and callbacks have it whatever the request had.
    pub(super) fn shown(self) -> String {
        format!("{}.{:02}", self.hundredths / 100, self.hundredths % 100)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_written_and_told_with_two_decimals() {
        for (written, told) in [("100", "100.00"), ("0.5", "0.50"), ("15.75", "15.75")] {
            assert_eq!(Amount::parse(written).unwrap().shown(), told);
        }
        for wrong in ["", "-1", "1.", ".5", "007", "1.234", "1e3", "1,5", " 1"] {
            assert_eq!(Amount::parse(wrong), None, "{wrong}");
        }
    }
}
