//! A corpus as it is committed: one input a line, whatever is not printable ASCII escaped as Rust
//! does it.

/// The inputs, in the order of the lines.
pub(crate) fn read(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(unescaped).collect()
}

/// Sorted, so that a change is seen where it was made.
#[allow(dead_code, reason = "who only reads a corpus needs no writing")]
pub(crate) fn write(inputs: impl IntoIterator<Item = Vec<u8>>) -> String {
    let mut lines: Vec<String> = inputs.into_iter().map(|input| escaped(&input) + "\n").collect();
    lines.sort();
    lines.dedup();
    lines.concat()
}

fn escaped(input: &[u8]) -> String {
    let mut line = String::new();
    for byte in input {
        match byte {
            b'\\' => line += "\\\\",
            b'\n' => line += "\\n",
            b'\r' => line += "\\r",
            b'\t' => line += "\\t",
            b' '..=b'~' => line.push(char::from(*byte)),
            other => line += &format!("\\x{other:02x}"),
        }
    }
    line
}

fn unescaped(line: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (vec![], line.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let Some((&escaped, after)) = rest.split_first() else { break };
        rest = after;
        bytes.push(match escaped {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let (digits, after) = rest.split_at(rest.len().min(2));
                rest = after;
                let digits = std::str::from_utf8(digits).unwrap_or_default();
                u8::from_str_radix(digits, 16).unwrap_or_default()
            }
            itself => itself,
        });
    }
    bytes
}
