//! Money in minor units, and as the decimal numbers that PawaPay takes and tells. No float touches
//! it.

use std::fmt;

use iso_currency::Currency;

/// More than nothing, in a currency of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    minor: i64,
    currency: Currency,
    exponent: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    #[error("the currency isn't one of ISO 4217 with a minor unit")]
    Currency,
    #[error("the amount has to be more than nothing")]
    NotPositive,
    #[error("it isn't a decimal number that this currency can have")]
    Number,
}

impl Amount {
    /// `minor` in the currency's smallest unit: cents, or francs where there are none.
    pub fn new(minor: i64, currency: &str) -> Result<Amount, InvalidAmount> {
        let currency = Currency::from_code(currency).ok_or(InvalidAmount::Currency)?;
        let exponent = currency.exponent().ok_or(InvalidAmount::Currency)?;
        if minor <= 0 {
            return Err(InvalidAmount::NotPositive);
        }
        Ok(Amount { minor, currency, exponent: u32::from(exponent) })
    }

    /// Reads a decimal number; zeros behind what the currency can have mean nothing.
    pub fn parse(decimal: &str, currency: &str) -> Result<Amount, InvalidAmount> {
        let one = Amount::new(1, currency)?;
        let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(InvalidAmount::Number);
        }
        let width = one.exponent as usize;
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > width {
            return Err(InvalidAmount::Number);
        }
        let minor = format!("{whole}{fraction:0<width$}");
        Amount::new(minor.parse().map_err(|_| InvalidAmount::Number)?, currency)
    }

    pub fn minor(self) -> i64 {
        self.minor
    }

    pub fn currency(self) -> &'static str {
        self.currency.code()
    }

    /// Without zeros at the end, which PawaPay's form of an amount doesn't have.
    pub fn decimal(self) -> String {
        let unit = 10_i64.pow(self.exponent);
        let (whole, fraction) = (self.minor / unit, self.minor % unit);
        if fraction == 0 {
            return whole.to_string();
        }
        let width = self.exponent as usize;
        let fraction = format!("{fraction:0>width$}");
        format!("{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency(), self.decimal())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cents_become_a_decimal_number_and_francs_stay_whole() {
        let decimal = |minor, currency| Amount::new(minor, currency).unwrap().decimal();
        assert_eq!(decimal(1050, "ZMW"), "10.5");
        assert_eq!(decimal(1000, "ZMW"), "10");
        assert_eq!(decimal(1005, "KES"), "10.05");
        assert_eq!(decimal(7, "GHS"), "0.07");
        assert_eq!(decimal(22_500, "XAF"), "22500");
        assert_eq!(decimal(100, "RWF"), "100");
        assert_eq!(decimal(1_234, "TND"), "1.234");
        assert_eq!(decimal(i64::MAX, "UGX"), "9223372036854775807");
    }

    #[test]
    fn what_pawapay_tells_is_read_whether_it_pads_or_not() {
        let minor = |decimal, currency| Amount::parse(decimal, currency).map(Amount::minor);
        assert_eq!(minor("100.00", "RWF"), Ok(100));
        assert_eq!(minor("123.45", "ZMW"), Ok(12_345));
        assert_eq!(minor("15", "ZMW"), Ok(1_500));
        assert_eq!(minor("15.5", "ZMW"), Ok(1_550));
        for wrong in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "0.001", "99999999999999999999"]
        {
            assert_eq!(minor(wrong, "ZMW"), Err(InvalidAmount::Number), "{wrong}");
        }
        assert_eq!(minor("100.50", "RWF"), Err(InvalidAmount::Number));
        assert_eq!(minor("0.00", "RWF"), Err(InvalidAmount::NotPositive));
    }

    #[test]
    fn only_a_currency_with_a_minor_unit_is_money() {
        for wrong in ["", "rwf", "XXX", "EURO", "XAU"] {
            assert_eq!(Amount::new(1, wrong), Err(InvalidAmount::Currency), "{wrong}");
        }
        assert_eq!(Amount::new(0, "RWF"), Err(InvalidAmount::NotPositive));
        assert_eq!(Amount::new(-5, "RWF"), Err(InvalidAmount::NotPositive));
    }

    proptest! {
        #[test]
        fn an_amount_survives_the_way_there_and_back(
            minor in 1..=i64::MAX,
            currency in prop::sample::select(vec!["XOF", "GHS", "TND", "CLF"]),
        ) {
            let amount = Amount::new(minor, currency).unwrap();
            prop_assert_eq!(Amount::parse(&amount.decimal(), currency), Ok(amount));
        }

        #[test]
        fn no_text_brings_it_down(decimal in ".*", currency in "[A-Z]{3}") {
            let _ = Amount::parse(&decimal, &currency);
            let _ = Amount::parse(&decimal, "ZMW");
        }
    }
}
