//! Text to statements.

use logos::Logos;

use super::Problem;

/// A token; its text says the rest.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r]+")]
#[logos(skip r"\\\r?\n")]
#[logos(skip(r"#[^\n]*", allow_greedy = true))]
enum Kind {
    #[regex(r"[\n;]+")]
    End,
    #[regex("[0-9]+")]
    #[regex("0x[0-9a-fA-F]+")]
    Integer,
    #[regex(r"[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?")]
    #[regex(r"[0-9]+\.([eE][-+]?[0-9]+)?")]
    #[regex(r"[0-9]+[eE][-+]?[0-9]+")]
    Float,
    #[regex(r#""([^"\\\n]|\\.)*""#)]
    #[regex(r"'([^'\\\n]|\\.)*'")]
    Text,
    /// `f"…"` and the like.
    #[regex(r#"[bfruBFRU][bfruBFRU]?("([^"\\\n]|\\.)*"|'([^'\\\n]|\\.)*')"#)]
    PrefixedText,
    #[regex("[A-Za-z_][A-Za-z0-9_]*")]
    Name,
    #[regex(r"==|!=|<=|>=|<<|>>|\*\*|//|[-+*/%<>=&|^~(),.\[\]:{}@]")]
    #[regex(r"([-+*/%&|^]|//|\*\*|<<|>>)=")]
    Mark,
}

/// What code does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    /// The condition, how it is written, the message if it doesn't hold.
    Assert(Node, String, Option<Node>),
    Assign(String, Node),
    /// Has no effect here.
    Nothing,
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Name(String),
    Call(String, Vec<Node>),
    Index(Box<Node>, Box<Node>),
    /// `-`, `+`, `~`, `not`.
    Unary(String, Box<Node>),
    Binary(Box<Node>, String, Box<Node>),
    /// `a < b <= c`: each pair holds.
    Compare(Box<Node>, Vec<(String, Node)>),
    /// The condition of `a if condition else b`, and these two.
    Choice(Box<[Node; 3]>),
}

/// Binary operators, from the loosest to the tightest; comparisons and unary operators come in between.
const OR: &[&str] = &["or"];
const AND: &[&str] = &["and"];
const COMPARISONS: &[&str] = &["==", "!=", "<=", ">=", "<", ">", "in"];
const TIGHTER: [&[&str]; 6] = [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "//", "%"]];

/// Tokens of a statement, and so what its tree has from root to leaf at most.
const LONGEST: usize = 500;

/// Parentheses, brackets and unary operators that may stand in each other.
const DEEPEST: usize = 64;

/// What statements of Python begin with that aren't for assertions.
const OTHER_STATEMENTS: [&str; 11] =
    ["class", "def", "del", "for", "global", "if", "raise", "return", "try", "while", "with"];

/// What right Python may have where a statement of this one can't go on.
const MORE_PYTHON: [&str; 10] = [".", ":", "{", "}", "@", "await", "for", "is", "lambda", "yield"];

/// All statements of a piece of code.
pub(super) fn statements(code: &str) -> Result<Vec<Statement>, Problem> {
    let (mut tokens, mut brackets) = (Vec::new(), 0_usize);
    for (kind, span) in Kind::lexer(code).spanned() {
        let kind = kind.map_err(|()| Problem::Mistake(format!("`{}` in code", &code[span.clone()])))?;
        match &code[span.clone()] {
            "(" | "[" | "{" => brackets += 1,
            ")" | "]" | "}" => brackets = brackets.saturating_sub(1),
            // Within brackets a line may end anywhere.
            text if kind == Kind::End && brackets > 0 && !text.contains(';') => continue,
            _ => {}
        }
        tokens.push((kind, span));
    }
    if tokens.split(|(kind, _)| *kind == Kind::End).any(|statement| statement.len() > LONGEST) {
        return Err(Problem::Beyond(format!("a statement of more than {LONGEST} tokens in code")));
    }
    let mut parser = Parser { code, tokens, at: 0, depth: 0 };
    let mut statements = Vec::new();
    loop {
        while parser.kind() == Some(Kind::End) {
            parser.at += 1;
        }
        if parser.kind().is_none() {
            return Ok(statements);
        }
        if OTHER_STATEMENTS.contains(&parser.text()) {
            return Err(Problem::Beyond(format!("a statement that begins with `{}`", parser.text())));
        }
        statements.push(parser.statement().map_err(|what| parser.problem(what))?);
        if parser.kind().is_some_and(|kind| kind != Kind::End) {
            return Err(parser.problem(format!("`{}` in code where a statement should end", parser.text())));
        }
    }
}

struct Parser<'a> {
    code: &'a str,
    tokens: Vec<(Kind, std::ops::Range<usize>)>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    /// What `read` gives one level deeper, if that isn't too deep.
    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Node, String>) -> Result<Node, String> {
        if self.depth == DEEPEST {
            return Err(format!("code that is nested deeper than {DEEPEST} levels"));
        }
        self.depth += 1;
        let node = read(self);
        self.depth -= 1;
        node
    }

    /// What is wrong where the parser stands: perhaps only that it is more than this one understands.
    fn problem(&self, what: String) -> Problem {
        let is_text = self.kind() == Some(Kind::Text);
        if self.kind() == Some(Kind::PrefixedText) || !is_text && MORE_PYTHON.contains(&self.text()) {
            return Problem::Beyond(format!("`{}` in code", self.text()));
        }
        Problem::Mistake(what)
    }

    fn kind(&self) -> Option<Kind> {
        self.tokens.get(self.at).map(|(kind, _)| *kind)
    }

    fn text(&self) -> &str {
        self.tokens.get(self.at).map_or("", |(_, span)| &self.code[span.clone()])
    }

    fn take(&mut self, text: &str) -> bool {
        let is = self.text() == text && self.kind() != Some(Kind::Text);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.take(text) { Ok(()) } else { Err(format!("`{}` in code where `{text}` should stand", self.text())) }
    }

    fn statement(&mut self) -> Result<Statement, String> {
        if self.take("assert") {
            return self.assertion();
        }
        if ["import", "from", "print"].contains(&self.text()) {
            while self.kind().is_some_and(|kind| kind != Kind::End) {
                self.at += 1;
            }
            return Ok(Statement::Nothing);
        }
        if self.take("pass") {
            return Ok(Statement::Nothing);
        }
        let name = self.text().to_owned();
        let next = self.tokens.get(self.at + 1).map_or("", |(_, span)| &self.code[span.clone()]);
        let operator = next.strip_suffix('=').filter(|_| !["==", "!=", "<=", ">="].contains(&next)).map(str::to_owned);
        let (Some(operator), Some(Kind::Name)) = (operator, self.kind()) else {
            return Err(format!("a statement that begins with `{name}`"));
        };
        self.at += 2;
        let value = self.expression()?;
        let value = match operator.as_str() {
            "" => value,
            _ => Node::Binary(Box::new(Node::Name(name.clone())), operator, Box::new(value)),
        };
        Ok(Statement::Assign(name, value))
    }

    fn assertion(&mut self) -> Result<Statement, String> {
        let start = self.at;
        let condition = self.expression()?;
        let span = self.tokens.get(start..self.at).unwrap_or_default();
        let written = match (span.first(), span.last()) {
            (Some((_, first)), Some((_, last))) => self.code[first.start..last.end].to_owned(),
            _ => String::new(),
        };
        let message = if self.take(",") { Some(self.expression()?) } else { None };
        Ok(Statement::Assert(condition, written, message))
    }

    fn expression(&mut self) -> Result<Node, String> {
        let then = self.binary(OR, |parser| parser.binary(AND, Self::negation))?;
        if !self.take("if") {
            return Ok(then);
        }
        let condition = self.binary(OR, |parser| parser.binary(AND, Self::negation))?;
        self.expect("else")?;
        Ok(Node::Choice(Box::new([condition, then, self.deeper(Self::expression)?])))
    }

    /// Operands that `next` reads, with `operators` between, from left to right.
    fn binary(&mut self, operators: &[&str], next: impl Fn(&mut Self) -> Result<Node, String>) -> Result<Node, String> {
        let mut left = next(self)?;
        while let Some(operator) = self.operator(operators) {
            left = Node::Binary(Box::new(left), operator, Box::new(next(self)?));
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[&str]) -> Option<String> {
        let text = self.text().to_owned();
        (self.kind() != Some(Kind::Text) && operators.contains(&text.as_str())).then(|| {
            self.at += 1;
            text
        })
    }

    fn negation(&mut self) -> Result<Node, String> {
        if self.take("not") {
            return Ok(Node::Unary("not".into(), Box::new(self.deeper(Self::negation)?)));
        }
        let first = self.arithmetic(0)?;
        let mut others = Vec::new();
        while let Some(operator) = self.comparison()? {
            others.push((operator, self.arithmetic(0)?));
        }
        Ok(if others.is_empty() { first } else { Node::Compare(Box::new(first), others) })
    }

    fn comparison(&mut self) -> Result<Option<String>, String> {
        if !self.take("not") {
            return Ok(self.operator(COMPARISONS));
        }
        self.expect("in")?;
        Ok(Some("not in".into()))
    }

    fn arithmetic(&mut self, level: usize) -> Result<Node, String> {
        match TIGHTER.get(level) {
            Some(operators) => self.binary(operators, |parser| parser.arithmetic(level + 1)),
            None => self.unary(),
        }
    }

    fn unary(&mut self) -> Result<Node, String> {
        if let Some(operator) = self.operator(&["-", "+", "~"]) {
            return Ok(Node::Unary(operator, Box::new(self.deeper(Self::unary)?)));
        }
        let base = self.indexed()?;
        if self.take("**") {
            return Ok(Node::Binary(Box::new(base), "**".into(), Box::new(self.deeper(Self::unary)?)));
        }
        Ok(base)
    }

    fn indexed(&mut self) -> Result<Node, String> {
        let mut node = self.atom()?;
        while self.take("[") {
            let index = self.deeper(Self::expression)?;
            self.expect("]")?;
            node = Node::Index(Box::new(node), Box::new(index));
        }
        Ok(node)
    }

    fn atom(&mut self) -> Result<Node, String> {
        let text = self.text().to_owned();
        let Some(kind) = self.kind() else {
            return Err("code that ends too early".into());
        };
        if kind != Kind::Text && MORE_PYTHON.contains(&text.as_str()) {
            return Err(format!("`{text}` in code"));
        }
        self.at += 1;
        Ok(match kind {
            Kind::Integer => Node::Integer(number(&text)?),
            Kind::Float => Node::Float(text.parse().map_err(|_| format!("`{text}` in code"))?),
            Kind::Text => Node::Text(text.get(1..text.len() - 1).unwrap_or_default().to_owned()),
            Kind::Name if self.take("(") => Node::Call(text, self.nodes(")")?),
            Kind::Name => Node::Name(text),
            Kind::Mark if text == "(" => {
                let mut nodes = self.nodes(")")?;
                if nodes.len() == 1 { nodes.remove(0) } else { Node::List(nodes) }
            }
            Kind::Mark if text == "[" => Node::List(self.nodes("]")?),
            Kind::Mark | Kind::End | Kind::PrefixedText => {
                self.at -= 1;
                return Err(format!("`{text}` in code"));
            }
        })
    }

    fn nodes(&mut self, close: &str) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        while !self.take(close) {
            nodes.push(self.deeper(Self::expression)?);
            if self.text() != close {
                self.expect(",")?;
            }
        }
        Ok(nodes)
    }
}

fn number(text: &str) -> Result<i128, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("the number {text}"))
}
