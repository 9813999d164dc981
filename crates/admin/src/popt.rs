//! Options as libpopt reads them, for programs that must accept what ipvsadm accepted.
//!
//! Short options can be bundled (`-ln`), a value follows attached (`-t1.2.3.4:80`), after `=` or as the next word, even
//! one that begins with "-"; long names must be complete; `--` ends the options; other words are left over.

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// No value.
    Nothing,
    /// The next word, whatever it looks like.
    Value,
    /// The next word unless it begins with "-" or there is none.
    OptionalValue,
}

/// One option: its names, its value and what it means to the program.
#[derive(Clone, Copy, Debug)]
pub struct Spec<T> {
    /// Name behind `--`.
    pub long: &'static str,
    /// Letter behind `-`.
    pub short: Option<char>,
    /// Value.
    pub takes: Takes,
    /// Meaning.
    pub tag: T,
}

/// Why the words cannot be read on. The texts are libpopt's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No such option.
    Unknown,
    /// The value is missing.
    NoValue,
    /// A value where there is none.
    UnwantedValue,
}

impl Problem {
    /// What libpopt says.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unknown => "unknown option",
            Self::NoValue => "missing argument",
            Self::UnwantedValue => "option does not take an argument",
        }
    }
}

/// Reads words option by option.
#[derive(Debug)]
pub struct Reader<'a, T> {
    specs: &'a [Spec<T>],
    words: &'a [String],
    next: usize,
    /// What is left of a word of short options.
    bundle: Option<&'a str>,
    only_words: bool,
    leftovers: Vec<&'a str>,
}

/// An option that was read, with its value.
pub type Found<'a, T> = (T, Option<&'a str>);

impl<'a, T: Copy> Reader<'a, T> {
    /// Reads these words (without the program's name).
    pub fn new(specs: &'a [Spec<T>], words: &'a [String]) -> Self {
        Self { specs, words, next: 0, bundle: None, only_words: false, leftovers: Vec::new() }
    }

    /// The word read last: the one to name when something is wrong with it.
    pub fn last_word(&self) -> &'a str {
        self.next.checked_sub(1).map_or("", |last| &self.words[last])
    }

    /// The words that are no options, met so far.
    pub fn leftovers(&self) -> &[&'a str] {
        &self.leftovers
    }

    /// The next option; none at the end of the words.
    pub fn next_option(&mut self) -> Option<Result<Found<'a, T>, Problem>> {
        loop {
            if let Some(bundle) = self.bundle.take() {
                return Some(self.read_short(bundle));
            }
            let word = self.words.get(self.next)?;
            self.next += 1;
            if self.only_words || word == "-" || !word.starts_with('-') {
                self.leftovers.push(word);
            } else if word == "--" {
                self.only_words = true;
            } else if let Some(long) = word.strip_prefix("--") {
                return Some(self.read_long(long));
            } else {
                self.bundle = Some(&word[1..]);
            }
        }
    }

    fn read_long(&mut self, word: &'a str) -> Result<Found<'a, T>, Problem> {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let spec = self.specs.iter().find(|spec| spec.long == name).ok_or(Problem::Unknown)?;
        match (spec.takes, attached) {
            (Takes::Nothing, Some(_)) => Err(Problem::UnwantedValue),
            (Takes::Nothing, None) => Ok((spec.tag, None)),
            (_, Some(value)) => Ok((spec.tag, Some(value))),
            (takes, None) => Ok((spec.tag, self.following_value(takes)?)),
        }
    }

    fn read_short(&mut self, bundle: &'a str) -> Result<Found<'a, T>, Problem> {
        let mut letters = bundle.chars();
        let letter = letters.next();
        let rest = letters.as_str();
        let spec = self.specs.iter().find(|spec| spec.short.is_some() && spec.short == letter);
        let spec = spec.ok_or(Problem::Unknown)?;
        if spec.takes == Takes::Nothing {
            if rest.starts_with('=') {
                return Err(Problem::UnwantedValue);
            }
            self.bundle = (!rest.is_empty()).then_some(rest);
            return Ok((spec.tag, None));
        }
        if rest.is_empty() {
            return Ok((spec.tag, self.following_value(spec.takes)?));
        }
        Ok((spec.tag, Some(rest.strip_prefix('=').unwrap_or(rest))))
    }

    fn following_value(&mut self, takes: Takes) -> Result<Option<&'a str>, Problem> {
        match (takes, self.words.get(self.next)) {
            (Takes::OptionalValue, None) => Ok(None),
            (Takes::OptionalValue, Some(word)) if word.starts_with('-') => Ok(None),
            (_, None) => Err(Problem::NoValue),
            (_, Some(word)) => {
                self.next += 1;
                Ok(Some(word))
            }
        }
    }
}
