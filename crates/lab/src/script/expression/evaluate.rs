//! Statements to what comes of them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::parse::{Node, Statement};
use super::{Problem, Value};
use crate::script::symbols;
use crate::sockets::LinuxTcpInfo;

/// What names stand for.
struct Scope<'a> {
    variables: &'a BTreeMap<String, Value>,
    info: &'a LinuxTcpInfo,
}

type Evaluated = Result<Value, Problem>;

/// Functions that Python has and that assertions have not needed, and those above with other arguments.
const BUILT_IN: [&str; 26] = [
    "all",
    "any",
    "bin",
    "bool",
    "chr",
    "dict",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "hex",
    "int",
    "isinstance",
    "list",
    "map",
    "oct",
    "ord",
    "pow",
    "range",
    "repr",
    "round",
    "set",
    "sorted",
    "sum",
    "tuple",
    "zip",
];

fn too_large(what: &str) -> Problem {
    Problem::Beyond(format!("{what}, which takes more than 128 bits"))
}

fn mistake(what: impl Into<String>) -> Problem {
    Problem::Mistake(what.into())
}

/// Runs one statement.
pub(super) fn statement(
    statement: &Statement,
    variables: &mut BTreeMap<String, Value>,
    info: &LinuxTcpInfo,
) -> Result<(), Problem> {
    let scope = Scope { variables, info };
    match statement {
        Statement::Nothing => {}
        Statement::Assign(name, node) => {
            let value = scope.value(node)?;
            check_room(name, &value, variables)?;
            variables.insert(name.clone(), value);
        }
        Statement::Assert(condition, written, message) => {
            if !scope.value(condition)?.holds() {
                let message = message.as_ref().and_then(|node| scope.value(node).ok());
                let message = message.map_or_else(String::new, |message| format!(", {message}"));
                return Err(Problem::Failed {
                    assertion: format!("{written}{message}"),
                    values: scope.names_in(condition),
                });
            }
        }
    }
    Ok(())
}

/// The most octets that the values of all variables take: a statement makes a few hundred times as many of them at once.
const ROOM: usize = 1 << 16;
/// The levels of lists that a variable may have: each takes room on the stack to copy and to drop.
const DEEPEST: usize = 64;

/// What is assigned again and again must not grow without end.
fn check_room(name: &str, value: &Value, variables: &BTreeMap<String, Value>) -> Result<(), Problem> {
    if value.depth() > DEEPEST {
        return Err(Problem::Beyond(format!("a list nested deeper than {DEEPEST} levels in `{name}`")));
    }
    let others = variables.iter().filter(|(other, _)| *other != name).map(|(_, value)| value);
    if others.chain([value]).map(Value::room).sum::<usize>() > ROOM {
        return Err(Problem::Beyond(format!("variables of more than {ROOM} octets, with `{name}`")));
    }
    Ok(())
}

impl Value {
    /// Octets that it takes, and at least as many as it is written with.
    fn room(&self) -> usize {
        // A whole number has up to 40 digits; as much memory is what a value takes beside its text.
        const LEAF: usize = 40;
        LEAF + match self {
            Self::Integer(_) | Self::Float(_) => 0,
            Self::Text(text) => text.len(),
            Self::List(values) => values.iter().map(Self::room).sum(),
        }
    }

    /// Levels of lists.
    fn depth(&self) -> usize {
        match self {
            Self::Integer(_) | Self::Float(_) | Self::Text(_) => 0,
            Self::List(values) => 1 + values.iter().map(Self::depth).max().unwrap_or(0),
        }
    }

    fn holds(&self) -> bool {
        match self {
            Self::Integer(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(values) => !values.is_empty(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "so does Python")]
    fn float(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(_) | Self::List(_) => None,
        }
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(right)),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            (Self::List(left), Self::List(right)) => {
                let first = left.iter().zip(right).map(|(left, right)| left.order(right));
                let differs = first.into_iter().find(|order| *order != Some(Ordering::Equal));
                differs.unwrap_or_else(|| Some(left.len().cmp(&right.len())))
            }
            _ => self.float()?.partial_cmp(&other.float()?),
        }
    }
}

impl Scope<'_> {
    fn name(&self, name: &str) -> Evaluated {
        if let Some(value) = self.variables.get(name) {
            return Ok(value.clone());
        }
        if let Some((_, value)) = symbols::IN_CODE.iter().find(|(known, _)| *known == name) {
            return Ok(Value::Integer(i128::from(*value)));
        }
        match self.info.get(name) {
            Ok(Some(value)) => Ok(Value::Integer(i128::from(value))),
            Ok(None) => Err(Problem::Beyond(format!("{name}, which this stack doesn't tell"))),
            Err(name) => Err(mistake(format!("`{name}` is no name that code knows"))),
        }
    }

    /// Each name in a condition with what it stands for.
    fn names_in(&self, node: &Node) -> String {
        let mut names = BTreeSet::new();
        collect(node, &mut names);
        let shown = names.into_iter().filter_map(|name| Some(format!("{name} = {}", self.name(name).ok()?)));
        shown.collect::<Vec<_>>().join(", ")
    }

    fn value(&self, node: &Node) -> Evaluated {
        Ok(match node {
            Node::Integer(value) => Value::Integer(*value),
            Node::Float(value) => Value::Float(*value),
            Node::Text(text) => Value::Text(text.clone()),
            Node::List(nodes) => Value::List(nodes.iter().map(|node| self.value(node)).collect::<Result<_, _>>()?),
            Node::Name(name) => self.name(name)?,
            Node::Call(name, arguments) => self.call(name, arguments)?,
            Node::Index(list, index) => index_of(&self.value(list)?, &self.value(index)?)?,
            Node::Unary(operator, operand) => unary(operator, &self.value(operand)?)?,
            Node::Binary(left, operator, right) => {
                let left = self.value(left)?;
                match operator.as_str() {
                    "or" if left.holds() => left,
                    "and" if !left.holds() => left,
                    "or" | "and" => self.value(right)?,
                    _ => binary(&left, operator, &self.value(right)?)?,
                }
            }
            Node::Compare(first, others) => self.compare(first, others)?,
            Node::Choice(parts) => {
                let [condition, then, otherwise] = &**parts;
                self.value(if self.value(condition)?.holds() { then } else { otherwise })?
            }
        })
    }

    fn compare(&self, first: &Node, others: &[(String, Node)]) -> Evaluated {
        let mut left = self.value(first)?;
        for (operator, node) in others {
            let right = self.value(node)?;
            if !compares(&left, operator, &right)? {
                return Ok(Value::Integer(0));
            }
            left = right;
        }
        Ok(Value::Integer(1))
    }

    fn call(&self, name: &str, arguments: &[Node]) -> Evaluated {
        let mut values = arguments.iter().map(|node| self.value(node)).collect::<Result<Vec<_>, _>>()?;
        if let ("min" | "max", [Value::List(list)]) = (name, &values[..]) {
            values = list.clone();
        }
        let extreme =
            |wanted: Ordering| values.iter().cloned().reduce(|a, b| if b.order(&a) == Some(wanted) { b } else { a });
        let result = match (name, &values[..]) {
            ("abs", [Value::Integer(i128::MIN)]) => return Err(too_large("the call of abs in code")),
            ("abs", [Value::Integer(value)]) => Some(Value::Integer(value.abs())),
            ("abs", [Value::Float(value)]) => Some(Value::Float(value.abs())),
            ("len", [Value::List(list)]) => Some(Value::Integer(list.len() as i128)),
            ("len", [Value::Text(text)]) => Some(Value::Integer(text.len() as i128)),
            ("min", _) => extreme(Ordering::Less),
            ("max", _) => extreme(Ordering::Greater),
            ("int", [Value::Integer(value)]) => Some(Value::Integer(*value)),
            #[expect(clippy::cast_possible_truncation, reason = "so does Python, with larger numbers")]
            ("int", [Value::Float(value)]) => Some(Value::Integer(value.trunc() as i128)),
            ("str", [value]) => Some(Value::Text(value.to_string())),
            ("bool", [value]) => Some(Value::Integer(i128::from(value.holds()))),
            ("float", [value]) => value.float().map(Value::Float),
            #[expect(clippy::cast_possible_truncation, reason = "so does Python, with larger numbers")]
            ("round", [value]) => value.float().map(|value| Value::Integer(value.round_ties_even() as i128)),
            _ if BUILT_IN.contains(&name) => return Err(Problem::Beyond(format!("{name}() in code"))),
            _ => None,
        };
        result.ok_or_else(|| mistake(format!("the call of {name} in code")))
    }
}

fn collect<'a>(node: &'a Node, names: &mut BTreeSet<&'a str>) {
    match node {
        Node::Name(name) => {
            names.insert(name);
        }
        Node::Unary(_, operand) => collect(operand, names),
        Node::Binary(left, _, right) | Node::Index(left, right) => {
            collect(left, names);
            collect(right, names);
        }
        Node::Choice(parts) => parts.iter().for_each(|node| collect(node, names)),
        Node::Compare(first, others) => {
            collect(first, names);
            others.iter().for_each(|(_, node)| collect(node, names));
        }
        Node::List(nodes) | Node::Call(_, nodes) => nodes.iter().for_each(|node| collect(node, names)),
        Node::Integer(_) | Node::Float(_) | Node::Text(_) => {}
    }
}

fn index_of(list: &Value, index: &Value) -> Evaluated {
    let (Value::List(values), Value::Integer(index)) = (list, index) else {
        return Err(mistake("an index into something that is no list, in code"));
    };
    let index = if *index < 0 { *index + values.len() as i128 } else { *index };
    let value = usize::try_from(index).ok().and_then(|index| values.get(index));
    value.cloned().ok_or_else(|| mistake("an index past the end of a list, in code"))
}

fn unary(operator: &str, operand: &Value) -> Evaluated {
    match (operator, operand) {
        ("not", value) => Ok(Value::Integer(i128::from(!value.holds()))),
        ("-", Value::Integer(i128::MIN)) => Err(too_large(&format!("-{operand} in code"))),
        ("-", Value::Integer(value)) => Ok(Value::Integer(-value)),
        ("-", Value::Float(value)) => Ok(Value::Float(-value)),
        ("~", Value::Integer(value)) => Ok(Value::Integer(!value)),
        ("+", Value::Integer(_) | Value::Float(_)) => Ok(operand.clone()),
        _ => Err(mistake(format!("{operator}{operand} in code"))),
    }
}

fn is_in(value: &Value, whole: &Value) -> Option<bool> {
    match (value, whole) {
        (value, Value::List(values)) => Some(values.iter().any(|one| value.order(one) == Some(Ordering::Equal))),
        (Value::Text(part), Value::Text(text)) => Some(text.contains(part.as_str())),
        _ => None,
    }
}

fn compares(left: &Value, operator: &str, right: &Value) -> Result<bool, Problem> {
    let order = left.order(right);
    let holds = match operator {
        "==" => Some(order == Some(Ordering::Equal)),
        "!=" => Some(order != Some(Ordering::Equal)),
        "<" => order.map(Ordering::is_lt),
        "<=" => order.map(Ordering::is_le),
        ">" => order.map(Ordering::is_gt),
        ">=" => order.map(Ordering::is_ge),
        "in" => is_in(left, right),
        "not in" => is_in(left, right).map(|is_in| !is_in),
        _ => None,
    };
    holds.ok_or_else(|| mistake(format!("{left} {operator} {right} in code")))
}

/// Operators as Python computes with them. What it would refuse, too, is a mistake.
fn binary(left: &Value, operator: &str, right: &Value) -> Evaluated {
    let written = || format!("{left} {operator} {right} in code");
    match (left, right) {
        (Value::Integer(a), Value::Integer(b)) if operator != "/" && !(operator == "**" && *b < 0) => match operator {
            "//" | "%" if *b == 0 => Err(mistake(written())),
            "<<" | ">>" if *b < 0 => Err(mistake(written())),
            _ => integers(*a, operator, *b).map(Value::Integer).ok_or_else(|| too_large(&written())),
        },
        (Value::Text(a), Value::Text(b)) if operator == "+" => Ok(Value::Text(format!("{a}{b}"))),
        (Value::List(a), Value::List(b)) if operator == "+" => Ok(Value::List([&a[..], b].concat())),
        // A message: `'cwnd %d' % cwnd`.
        (Value::Text(text), value) if operator == "%" => Ok(Value::Text(format!("{text}: {value}"))),
        (Value::Text(_) | Value::List(_), Value::Integer(_)) | (Value::Integer(_), Value::Text(_) | Value::List(_))
            if operator == "*" =>
        {
            Err(Problem::Beyond(written()))
        }
        _ => {
            let (Some(a), Some(b)) = (left.float(), right.float()) else {
                return Err(mistake(written()));
            };
            if operator == "**" && a < 0.0 && b.fract() != 0.0 {
                return Err(Problem::Beyond(format!("{}, a complex number", written())));
            }
            floats(a, operator, b).map(Value::Float).ok_or_else(|| mistake(written()))
        }
    }
}

/// `None` where the result is too large. Divisors are not 0, and shifts not negative.
fn integers(a: i128, operator: &str, b: i128) -> Option<i128> {
    // Python rounds down, and its remainder has the divisor's sign.
    let falls_short = |rest: i128| rest != 0 && (rest < 0) != (b < 0);
    match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "//" => a.checked_div(b).map(|quotient| quotient - i128::from(falls_short(a % b))),
        "%" => Some(a.wrapping_rem(b)).map(|rest| if falls_short(rest) { rest + b } else { rest }),
        "**" => a.checked_pow(u32::try_from(b).ok()?),
        "&" => Some(a & b),
        "|" => Some(a | b),
        "^" => Some(a ^ b),
        // Bits that fall out at the top would be lost in silence.
        "<<" => a.checked_mul(1_i128.checked_shl(u32::try_from(b).ok()?).filter(|power| *power > 0)?),
        ">>" => Some(a >> b.min(127)),
        _ => None,
    }
}

fn floats(a: f64, operator: &str, b: f64) -> Option<f64> {
    let rest = || {
        let rest = a % b;
        if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
    };
    match operator {
        "+" => Some(a + b),
        "-" => Some(a - b),
        "*" => Some(a * b),
        "/" | "//" | "%" if b == 0.0 => None,
        "/" => Some(a / b),
        "//" => Some(((a - rest()) / b).round()),
        "%" => Some(rest()),
        "**" => Some(a.powf(b)).filter(|power| power.is_finite()),
        _ => None,
    }
}
