//! Circles of imports: a module that uses another one which uses the first, by however many steps.
//!
//! A module is a file of a crate's `src`; what it uses is what its paths from `crate`, `self` and `super`
//! lead to. That a module and those below it use each other is no circle, since they are one subject; what
//! is built for tests alone does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module's place in its crate: the names from the crate's root.
type Module = Vec<String>;

/// What each module uses.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

/// Returns the circles of a crate, each as the modules that one goes through.
pub(crate) fn of(src: &Path) -> Vec<String> {
    let files = modules(src);
    let paths = files.iter().map(|(module, file)| {
        let text = std::fs::read_to_string(file).expect("a source file");
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut found = BTreeSet::new();
        paths(&tokens.into_iter().collect::<Vec<_>>(), module, &mut found);
        (module.clone(), found)
    });
    let is_kin = |a: &Module, b: &Module| a.starts_with(b) || b.starts_with(a);
    let uses: Uses = paths
        .map(|(module, paths)| {
            let used = paths.iter().map(|path| nearest(path, &files));
            let used = used.filter(|used| !is_kin(used, &module)).collect();
            (module, used)
        })
        .collect();
    let mut told = BTreeSet::new();
    let mut circles = Vec::new();
    for module in uses.keys() {
        if let Some(circle) = circle(module, &uses)
            && told.insert(circle.iter().cloned().collect::<BTreeSet<_>>())
        {
            circles.push(circle.iter().map(|module| module.join("::")).collect::<Vec<_>>().join(" -> "));
        }
    }
    circles
}

/// Returns the files of a crate by their modules. Those of tests are left out.
fn modules(src: &Path) -> BTreeMap<Module, PathBuf> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![src.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let below = path.strip_prefix(src).expect("a file of it").with_extension("");
            let mut module: Module =
                below.iter().map(|name| name.to_str().expect("UTF-8").to_owned()).collect();
            // A program's main file is a crate of its own.
            if module == ["main"] && src.join("lib.rs").exists() {
                continue;
            }
            if module == ["lib"] || module == ["main"] {
                module.clear();
            }
            if !module.iter().any(|name| name == "tests") {
                found.insert(module, path);
            }
        }
    }
    found
}

/// Returns the module of a file that a path leads into: its longest beginning that is one.
fn nearest(path: &[String], files: &BTreeMap<Module, PathBuf>) -> Module {
    let lengths = (0..=path.len()).rev();
    lengths.map(|length| path[..length].to_vec()).find(|one| files.contains_key(one)).unwrap_or_default()
}

/// Collects the paths into the crate itself from tokens of `module`.
fn paths(tokens: &[TokenTree], module: &[String], found: &mut BTreeSet<Module>) {
    let mut rest = tokens;
    while let Some(token) = rest.first() {
        if is_for_tests(rest) {
            let is_end = |token: &TokenTree| match token {
                TokenTree::Punct(punct) => punct.as_char() == ';',
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                TokenTree::Ident(_) | TokenTree::Literal(_) => false,
            };
            let end = rest.iter().position(is_end).map_or(rest.len(), |end| end + 1);
            rest = &rest[end..];
            continue;
        }
        match rest {
            [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..] if word == "mod" => {
                let inner = [module, &[name.to_string()]].concat();
                paths(&body.stream().into_iter().collect::<Vec<_>>(), &inner, found);
                rest = &rest[3..];
                continue;
            }
            [TokenTree::Ident(first), ..] if is_step(&rest[1..]) => {
                let first = first.to_string();
                let begin = match &first[..] {
                    "crate" => Some(Vec::new()),
                    "self" => Some(module.to_vec()),
                    "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
                    _ => None,
                };
                if let Some(begin) = begin {
                    follow(&rest[1..], begin, found);
                }
                // The further words of the path begin none.
                let mut steps = &rest[1..];
                while is_step(steps) && matches!(steps.get(2), Some(TokenTree::Ident(_))) {
                    steps = &steps[3..];
                }
                rest = steps;
                continue;
            }
            _ => {}
        }
        if let TokenTree::Group(group) = token {
            paths(&group.stream().into_iter().collect::<Vec<_>>(), module, found);
        }
        rest = &rest[1..];
    }
}

/// Returns whether what follows is `::`.
fn is_step(tokens: &[TokenTree]) -> bool {
    let is_colon =
        |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(tokens.first()) && is_colon(tokens.get(1))
}

/// Returns whether these tokens begin with the attribute of what is built for tests alone.
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(punct), TokenTree::Group(attribute), ..] = tokens else { return false };
    punct.as_char() == '#' && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// Follows a path from `::` on, into each branch of a list in braces.
fn follow(mut tokens: &[TokenTree], mut path: Module, found: &mut BTreeSet<Module>) {
    while is_step(tokens) {
        match tokens.get(2) {
            Some(TokenTree::Ident(name)) if name == "super" => drop(path.pop()),
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Group(list)) => {
                let all: Vec<TokenTree> = list.stream().into_iter().collect();
                let is_comma =
                    |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                for branch in all.split(is_comma) {
                    let Some(TokenTree::Ident(first)) = branch.first() else { continue };
                    let mut path = path.clone();
                    if first != "self" {
                        path.push(first.to_string());
                    }
                    follow(&branch[1..], path, found);
                }
                return;
            }
            Some(TokenTree::Punct(_) | TokenTree::Literal(_)) | None => break,
        }
        tokens = &tokens[3..];
    }
    found.insert(path);
}

/// Returns the shortest way from a module back to itself.
fn circle(module: &Module, uses: &Uses) -> Option<Vec<Module>> {
    let mut from: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut reached = vec![module];
    while !reached.is_empty() {
        let mut next = Vec::new();
        for one in reached {
            for used in uses.get(one).into_iter().flatten() {
                if used == module {
                    let mut way = vec![module.clone(), one.clone()];
                    let mut at = one;
                    while let Some(before) = from.get(at) {
                        way.push((*before).clone());
                        at = before;
                    }
                    way.reverse();
                    return Some(way);
                }
                if !from.contains_key(used) {
                    from.insert(used, one);
                    next.push(used);
                }
            }
        }
        reached = next;
    }
    None
}
