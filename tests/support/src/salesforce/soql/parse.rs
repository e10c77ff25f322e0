//! The grammar: from a query's text to what it says.

use super::{Comparison, Filter, Literal, Select};
use crate::salesforce::refusal::Refusal;
use crate::salesforce::schema::parse_time;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Symbol(&'static str),
}

/// Reads a whole query.
pub(super) fn select(text: &str) -> Result<Select, Refusal> {
    Parser { tokens: tokenize(text)?, at: 0 }.select()
}

fn tokenize(text: &str) -> Result<Vec<Token>, Refusal> {
    const SYMBOLS: [&str; 12] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", "*", ";"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (token, after) = quoted(&rest[1..])?;
            tokens.push(Token::Text(token));
            rest = after;
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '+' | '-');
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(Refusal::malformed(format!(
                    "line 1:{} no viable alternative at character '{first}'",
                    text.len() - rest.len()
                )));
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// Reads a text up to its closing quote; only the escapes that exist are taken.
fn quoted(text: &str) -> Result<(String, &str), Refusal> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Ok((value, &text[at + 1..])),
            '\n' | '\r' => return Err(Refusal::malformed("line breaks are not allowed in string literals")),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some('b') => value.push('\u{8}'),
                Some('f') => value.push('\u{c}'),
                Some(c @ ('\\' | '\'' | '"')) => value.push(c),
                // Only LIKE may escape its wildcards; there is none that needs it here.
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    let c = code.and_then(char::from_u32);
                    value.push(c.ok_or_else(|| Refusal::malformed(format!("invalid escape \\u{digits}")))?);
                }
                other => {
                    let other = other.map_or_else(String::new, String::from);
                    return Err(Refusal::malformed(format!(
                        "Invalid string literal. Illegal character sequence '\\{other}' in string literal"
                    )));
                }
            },
            c => value.push(c),
        }
    }
    Err(Refusal::malformed("line 1:1 mismatched character '<EOF>' expecting '''"))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn select(&mut self) -> Result<Select, Refusal> {
        self.expect("select")?;
        let mut fields = vec![self.name()?];
        if fields[0].eq_ignore_ascii_case("count") && self.take_symbol("(") {
            self.expect_symbol(")")?;
            fields.clear();
        }
        while !fields.is_empty() && self.take_symbol(",") {
            fields.push(self.name()?);
        }
        self.expect("from")?;
        let object = self.name()?;
        let filter = if self.take("where") { Some(self.filter()?) } else { None };
        let mut order = Vec::new();
        if self.take("order") {
            self.expect("by")?;
            loop {
                order.push((self.name()?, self.direction()?));
                if !self.take_symbol(",") {
                    break;
                }
            }
        }
        let limit = if self.take("limit") { Some(self.count()?) } else { None };
        let offset = if self.take("offset") { self.count()? } else { 0 };
        match self.tokens.get(self.at) {
            None => Ok(Select { fields, object, filter, order, limit, offset }),
            Some(token) => Err(unexpected(token)),
        }
    }

    fn direction(&mut self) -> Result<bool, Refusal> {
        let descending = self.take("desc");
        if !descending {
            self.take("asc");
        }
        if self.take("nulls") && !self.take("first") {
            self.expect("last")?;
        }
        Ok(descending)
    }

    fn filter(&mut self) -> Result<Filter, Refusal> {
        let mut all = vec![self.condition()?];
        let word = match self.tokens.get(self.at) {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("and") => "and",
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("or") => "or",
            _ => return Ok(all.remove(0)),
        };
        while self.take(word) {
            all.push(self.condition()?);
        }
        Ok(if word == "and" { Filter::And(all) } else { Filter::Or(all) })
    }

    fn condition(&mut self) -> Result<Filter, Refusal> {
        if self.take("not") {
            return Ok(Filter::Not(Box::new(self.condition()?)));
        }
        if self.take_symbol("(") {
            let filter = self.filter()?;
            self.expect_symbol(")")?;
            return Ok(filter);
        }
        let field = self.name()?;
        let negated = self.take("not");
        if self.take("in") {
            self.expect_symbol("(")?;
            let mut values = vec![self.literal()?];
            while self.take_symbol(",") {
                values.push(self.literal()?);
            }
            self.expect_symbol(")")?;
            return Ok(Filter::In(field, negated, values));
        }
        let comparison = match self.next()? {
            _ if negated => return Err(Refusal::malformed("expecting 'IN' after 'NOT'")),
            Token::Symbol("=") => Comparison::Equal,
            Token::Symbol("!=" | "<>") => Comparison::NotEqual,
            Token::Symbol("<") => Comparison::Less,
            Token::Symbol("<=") => Comparison::LessOrEqual,
            Token::Symbol(">") => Comparison::Greater,
            Token::Symbol(">=") => Comparison::GreaterOrEqual,
            Token::Word(word) if word.eq_ignore_ascii_case("like") => Comparison::Like,
            token => return Err(unexpected(&token)),
        };
        Ok(Filter::Compare(field, comparison, self.literal()?))
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        let word = match self.next()? {
            Token::Text(text) => return Ok(Literal::Text(text)),
            Token::Word(word) => word,
            token => return Err(unexpected(&token)),
        };
        Ok(match word.to_ascii_lowercase().as_str() {
            "null" => Literal::Null,
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            lower => {
                if let Ok(number) = lower.parse() {
                    Literal::Number(number)
                } else if let Some(time) = parse_time(&word) {
                    Literal::Time(time)
                } else if word.parse::<jiff::civil::Date>().is_ok() {
                    Literal::Day(word)
                } else {
                    return Err(Refusal::malformed(format!("unexpected token: '{word}'")));
                }
            }
        })
    }

    fn next(&mut self) -> Result<Token, Refusal> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token.ok_or_else(|| Refusal::malformed("unexpected token: '<EOF>'"))
    }

    fn name(&mut self) -> Result<String, Refusal> {
        match self.next()? {
            Token::Word(word) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok(word),
            token => Err(unexpected(&token)),
        }
    }

    fn count(&mut self) -> Result<usize, Refusal> {
        match self.next()? {
            Token::Word(word) if word.bytes().all(|b| b.is_ascii_digit()) => {
                word.parse().map_err(|_| Refusal::malformed("number is too large"))
            }
            token => Err(unexpected(&token)),
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let taken =
            matches!(self.tokens.get(self.at), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(taken);
        taken
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let taken = matches!(self.tokens.get(self.at), Some(Token::Symbol(next)) if *next == symbol);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, word: &str) -> Result<(), Refusal> {
        if self.take(word) { Ok(()) } else { Err(unexpected(&self.next()?)) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), Refusal> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(unexpected(&self.next()?)) }
    }
}

fn unexpected(token: &Token) -> Refusal {
    let shown = match token {
        Token::Word(text) | Token::Text(text) => text.as_str(),
        Token::Symbol(symbol) => symbol,
    };
    Refusal::malformed(format!("unexpected token: '{shown}'"))
}
