//! Numbers as the C library reads them and as ipvsadm prints them.

/// A decimal number as `strtol` takes it (leading blanks, a sign, nothing behind it) that lies in the range.
pub fn parse(text: &str, min: i64, max: i64) -> Option<i64> {
    let trimmed = text.trim_start_matches(is_blank);
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = trimmed.parse().ok()?;
    (min..=max).contains(&number).then_some(number)
}

/// A number as `atoi` takes it: what stands behind it does not matter.
pub fn parse_prefix(text: &str) -> i64 {
    let trimmed = text.trim_start_matches(is_blank);
    let (sign, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let digits = &digits[..digits.bytes().take_while(u8::is_ascii_digit).count()];
    sign * digits.parse::<i64>().unwrap_or(0)
}

/// A counter in a column of nine: from 10^8 on in thousands (K), millions (M), and so on; or exact.
pub fn column(number: u64, exact: bool) -> String {
    const LARGE: [(u64, u64, char); 4] = [
        (100_000_000_000_000, 1_000_000_000_000, 'T'),
        (100_000_000_000, 1_000_000_000, 'G'),
        (1_000_000_000, 1_000_000, 'M'),
        (100_000_000, 1_000, 'K'),
    ];
    match LARGE.into_iter().find(|(from, ..)| number >= *from) {
        Some((_, unit, letter)) if !exact => format!("{:>8}{letter}", number / unit),
        _ => format!(" {number:>8}"),
    }
}

/// What `isspace` calls a blank.
pub fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t'..='\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtol_does() {
        assert_eq!(parse(" +7", 0, 9), Some(7));
        assert_eq!(parse("010", 0, 99), Some(10));
        assert_eq!(parse("-1", -5, 9), Some(-1));
        for bad in ["", " ", "+", "1x", "9 ", "0x10", "1.5", "10", "-1", "99999999999999999999", "+-1"] {
            assert_eq!(parse(bad, 0, 9), None, "{bad:?}");
        }
        assert_eq!((parse_prefix("64x"), parse_prefix(" -3"), parse_prefix("x")), (64, -3, 0));
    }

    #[test]
    fn large_numbers_have_units() {
        let shown = |number| column(number, false);
        assert_eq!(shown(0), "        0");
        assert_eq!(shown(99_999_999), " 99999999");
        assert_eq!(shown(100_000_000), "  100000K");
        assert_eq!(shown(999_999_999), "  999999K");
        assert_eq!(shown(1_000_000_000), "    1000M");
        assert_eq!(shown(99_999_999_999), "   99999M");
        assert_eq!(shown(100_000_000_000), "     100G");
        assert_eq!(shown(100_000_000_000_000), "     100T");
        assert_eq!(column(1_234_567_890, true), " 1234567890");
    }
}
