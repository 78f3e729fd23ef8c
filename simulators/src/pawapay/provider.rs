//! The mobile money operators that payouts go to, by pawaPay's names for them.

/// How an operator does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Operational,
    Delayed,
    Closed,
}

pub(super) struct Provider {
    pub(super) name: &'static str,
    pub(super) country: &'static str,
    pub(super) currencies: &'static [&'static str],
    /// What its numbers begin with, and how long they are.
    prefix: &'static str,
    length: usize,
    pub(super) decimals: usize,
}

impl Provider {
    pub(super) fn find(name: &str) -> Option<&'static Provider> {
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    pub(super) fn serves(&self, phone_number: &str) -> bool {
        phone_number.len() == self.length
            && phone_number.starts_with(self.prefix)
            && phone_number.bytes().all(|byte| byte.is_ascii_digit())
    }
}

const fn provider(
    name: &'static str,
    country: &'static str,
    currencies: &'static [&'static str],
    (prefix, length): (&'static str, usize),
    decimals: usize,
) -> Provider {
    Provider { name, country, currencies, prefix, length, decimals }
}

const PROVIDERS: &[Provider] = &[
    provider("MTN_MOMO_BEN", "BEN", &["XOF"], ("229", 13), 0),
    provider("MTN_MOMO_CMR", "CMR", &["XAF"], ("237", 12), 0),
    provider("ORANGE_CMR", "CMR", &["XAF"], ("237", 12), 0),
    provider("MTN_MOMO_CIV", "CIV", &["XOF"], ("225", 13), 0),
    provider("ORANGE_CIV", "CIV", &["XOF"], ("225", 13), 0),
    provider("VODACOM_MPESA_COD", "COD", &["CDF", "USD"], ("243", 12), 2),
    provider("AIRTEL_COD", "COD", &["CDF", "USD"], ("243", 12), 2),
    provider("MTN_MOMO_GHA", "GHA", &["GHS"], ("233", 12), 2),
    provider("VODAFONE_GHA", "GHA", &["GHS"], ("233", 12), 2),
    provider("MPESA_KEN", "KEN", &["KES"], ("254", 12), 0),
    provider("AIRTEL_MWI", "MWI", &["MWK"], ("265", 12), 2),
    provider("VODACOM_MOZ", "MOZ", &["MZN"], ("258", 12), 2),
    provider("AIRTEL_RWA", "RWA", &["RWF"], ("250", 12), 0),
    provider("MTN_MOMO_RWA", "RWA", &["RWF"], ("250", 12), 0),
    provider("FREE_SEN", "SEN", &["XOF"], ("221", 12), 0),
    provider("ORANGE_SEN", "SEN", &["XOF"], ("221", 12), 0),
    provider("AIRTEL_TZA", "TZA", &["TZS"], ("255", 12), 2),
    provider("VODACOM_TZA", "TZA", &["TZS"], ("255", 12), 0),
    provider("AIRTEL_OAPI_UGA", "UGA", &["UGX"], ("256", 12), 2),
    provider("MTN_MOMO_UGA", "UGA", &["UGX"], ("256", 12), 0),
    provider("AIRTEL_OAPI_ZMB", "ZMB", &["ZMW"], ("260", 12), 2),
    provider("MTN_MOMO_ZMB", "ZMB", &["ZMW"], ("260", 12), 2),
];
