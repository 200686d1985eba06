//! Text to tokens.

use std::fmt;

use logos::Logos;

/// What kind of token it is; its text says the rest.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\f]+")]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
#[logos(skip r"/\*([^*]|\*+[^*/])*\*+/")]
pub(super) enum Kind {
    /// `--name` or `--name=value`, the value without blanks unless it stands in quotes.
    #[regex(r#"--[A-Za-z_]+(=("[^"\n]*"|`[^`]*`|[^\s"`]*))?"#)]
    #[regex(r#"-D *[A-Za-z_][A-Za-z0-9_]*=("[^"\n]*"|`[^`]*`|[^\s"`]*)"#)]
    Option,
    /// `...`
    #[token("...")]
    Ellipsis,
    /// A whole number, decimal or hexadecimal.
    #[regex("-?[0-9]+", priority = 4)]
    #[regex("0x[0-9a-fA-F]+", priority = 4)]
    Integer,
    /// A number with a point.
    #[regex(r"-?[0-9]*\.[0-9]+")]
    Float,
    /// A name, a symbol, flags, a cookie.
    #[regex("[A-Za-z0-9_]+", priority = 3)]
    Word,
    /// Text in double quotes.
    #[regex(r#""([^"\\]|\\.)*""#)]
    Text,
    /// A shell command in backquotes.
    #[regex(r"`([^`\\]|\\[\s\S])*`")]
    Shell,
    /// `%{ code }%`
    #[regex(r"%\{([^}]|\}[^%])*\}%")]
    Code,
    /// Any other mark, of one character.
    #[regex(r"[()\[\]{}<>,:;=|+*~.^&!/#-]", priority = 1)]
    Mark,
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// From 1.
    pub(super) line: u32,
    /// True if blanks or a comment stand before it.
    pub(super) spaced: bool,
}

impl Token {
    /// True if the token is just this.
    pub(super) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.text.lines().next().unwrap_or_default();
        write!(f, "`{first}`")
    }
}

/// All tokens of a script; or the line with something that is none.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, (u32, String)> {
    let (mut line, mut counted, mut end) = (1, 0, 0);
    let mut tokens = Vec::new();
    for (kind, span) in Kind::lexer(text).spanned() {
        let newlines = text[counted..span.start].bytes().filter(|&octet| octet == b'\n').count();
        line += u32::try_from(newlines).unwrap_or(u32::MAX);
        counted = span.start;
        let slice = &text[span.clone()];
        let kind = kind.map_err(|()| (line, format!("`{slice}` means nothing here")))?;
        tokens.push(Token { kind, text: slice.to_owned(), line, spaced: span.start != end });
        end = span.end;
    }
    Ok(tokens)
}

/// What stands between the quotes of a text, its escapes resolved.
pub(super) fn unquote(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let mut characters = inner.chars();
    let mut result = String::new();
    while let Some(c) = characters.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match characters.next() {
            Some('n') => result.push('\n'),
            Some('r') => result.push('\r'),
            Some('t') => result.push('\t'),
            Some('f') => result.push('\x0c'),
            Some('v') => result.push('\x0b'),
            Some('x') => {
                let digits: String = characters.by_ref().take(2).collect();
                result.push(char::from(u8::from_str_radix(&digits, 16).unwrap_or(b'?')));
            }
            other => result.extend(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(Kind, String)> {
        tokens(text).unwrap().into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn the_longest_match_wins() {
        let [integer, word, float] = [Kind::Integer, Kind::Word, Kind::Float];
        let expected =
            [(integer, "12"), (word, "1a2b"), (word, "P"), (float, ".5"), (integer, "0x1f"), (integer, "-1")];
        assert_eq!(texts("12 1a2b P.5 0x1f -1"), expected.map(|(kind, text)| (kind, text.to_owned())));
    }

    #[test]
    fn a_range_of_a_call_is_two_times_and_an_ellipsis() {
        let kinds: Vec<Kind> = texts("+0...0.5").into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [Kind::Mark, Kind::Integer, Kind::Ellipsis, Kind::Float]);
    }

    #[test]
    fn comments_are_skipped_and_lines_counted() {
        let tokens = tokens("a // b `\n/* c\nd */ %{ e }\n }% f").unwrap();
        let lines: Vec<_> = tokens.iter().map(|token| (token.text.as_str(), token.line)).collect();
        assert_eq!(lines, [("a", 1), ("%{ e }\n }%", 3), ("f", 4)]);
        assert_eq!(super::tokens("a\n$").unwrap_err().0, 2);
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unquote(r#""a\n\x41""#), "a\nA");
    }
}
