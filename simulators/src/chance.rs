//! Chance that falls the same way every time: splitmix64, and the ids made up from it.

use serde_json::{Value, json};

pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Chance(seed)
    }

    /// Chance that differs wherever the text or the number does.
    pub(crate) fn of(text: &str, number: i64) -> Self {
        let start = 0xcbf2_9ce4_8422_2325 ^ number.cast_unsigned();
        Chance(
            text.bytes()
                .fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
        )
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = low.abs_diff(high) + 1;
        low + (self.next() % width).cast_signed()
    }

    /// Whether something happens that happens this often, from 0 (never) to 1 (always).
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        const STEPS: u32 = 1_000_000;
        let drawn = u32::try_from(self.next() % u64::from(STEPS)).unwrap_or_default();
        f64::from(drawn) < probability * f64::from(STEPS)
    }

    pub(crate) fn hex(&mut self, count: usize) -> String {
        let full: String =
            (0..count.div_ceil(16)).map(|_| format!("{:016x}", self.next())).collect();
        full[..count].to_owned()
    }

    pub(crate) fn digits(&mut self, count: usize) -> String {
        (0..count).map(|at| self.between(i64::from(at == 0), 9).to_string()).collect()
    }

    /// What Meta tells of a file that it keeps for us.
    pub(crate) fn media(&mut self, mime_type: &str) -> Value {
        let hash: Vec<u8> = (0..4).flat_map(|_| self.next().to_be_bytes()).collect();
        json!({"id": self.digits(16), "mime_type": mime_type, "sha256": base64(&hash)})
    }

    /// A message id in the form of WhatsApp's: base64 of the other side's address and of twenty
    /// digits that are this message's own.
    pub(crate) fn wamid(&mut self, address: &str) -> String {
        let address = address.as_bytes();
        let own = format!("3A{:016X}{:02X}", self.next(), self.next() & 0xff);
        let mut raw = vec![0x1c, 0x18, u8::try_from(address.len()).unwrap_or(u8::MAX)];
        raw.extend(address);
        raw.extend([0x15, 0x02, 0x00, 0x12, 0x18, 0x14]);
        raw.extend(own.as_bytes());
        raw.push(0);
        format!("wamid.{}", base64(&raw))
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = |chunk: &[u8]| {
        let word = (0..3).fold(0, |word, at| {
            (word << 8) | usize::from(chunk.get(at).copied().unwrap_or_default())
        });
        let filled = chunk.len() + 1;
        [18, 12, 6, 0].into_iter().enumerate().map(move |(at, shift)| {
            if at < filled { char::from(ALPHABET[(word >> shift) & 63]) } else { '=' }
        })
    };
    bytes.chunks(3).flat_map(sextets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_rfc_4648_shows_it() {
        let shown =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, encoded) in shown {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
