//! `manage publish`: distribution trees, renewed where suites are due.

use clap::{Args, Subcommand};
use intraware_cli::activity::Diary;
use intraware_cli::common::{Common, EXIT_STATUS};
use intraware_cli::failure::Failure;
use intraware_cli::{output, process, report};
use intraware_config::TreeConfig;
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::outcome;
use intraware_core::run::RunContext;
use intraware_core::txlog::chain;
use intraware_publish::{
    Finished, Plan, PublishError, Report, Snapshot, Wish, difference, look_over, plan, publish, roll_back,
    snapshots,
};

/// Which trees and suites.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    deed: Option<Deed>,

    /// Trees by their names in the configuration; all, if none is named
    #[arg(value_name = "TREE")]
    trees: Vec<String>,

    /// Show what would be done and why, hooks included, and do nothing: nothing is run or written anywhere
    #[arg(long)]
    dry_run: bool,

    /// Publish this suite whether it is due or not, and no others
    #[arg(long = "suite", value_name = "SUITE", num_args = 1..)]
    suites: Vec<String>,

    /// Make the fast-track pass alone, and leave the normal one to the next run
    #[arg(long)]
    security_only: bool,

    /// Print the plan, or the passes that were made, as JSON
    #[arg(long)]
    json: bool,
}

/// What else can be done with a tree.
#[derive(Debug, Subcommand)]
enum Deed {
    /// Put a former tree in place again
    #[command(after_long_help = EXIT_STATUS)]
    Rollback {
        /// The tree
        tree: String,

        /// The number of the former one; without it, the last before the one in place
        #[arg(long, value_name = "NUMBER")]
        to: Option<u64>,
    },
    /// Look at the tree that readers get, down to every file of the pool
    #[command(after_long_help = EXIT_STATUS)]
    Fsck {
        /// The tree
        tree: String,
    },
    /// Show of which packages two kept trees have other versions
    #[command(after_long_help = EXIT_STATUS)]
    Diff {
        /// The tree
        tree: String,

        /// The number of the one; without it, the last before the other
        #[arg(value_name = "A")]
        from: Option<u64>,

        /// The number of the other; without it, the one in place
        #[arg(value_name = "B")]
        to: Option<u64>,

        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the trees that are kept
    #[command(after_long_help = EXIT_STATUS)]
    Snapshots {
        /// The tree
        tree: String,

        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let all = TreeConfig::load_all(&common.config)?;
    match &arguments.deed {
        None => {}
        Some(Deed::Rollback { tree, to }) => {
            let tree = named(&all, tree)?;
            let context = process::context("manage", common);
            let done = roll_back(tree, *to, &context);
            tell(tree, &done, arguments, &context)?;
            let faults: Vec<Fault> = done.problems.iter().map(|problem| problem.fault()).collect();
            return match done.busy {
                // Cron's run needs nobody, but a person has asked for this.
                Some(_) => Err(Failure::new(Fault::TryLater, "another run is at work; nothing was put back")),
                None => Ok(outcome::exit_status(&[], &faults)),
            };
        }
        Some(Deed::Fsck { tree }) => {
            let tree = named(&all, tree)?;
            let found = look_over(tree, &process::context("manage", common)).map_err(failure)?;
            let faults: Vec<Fault> = found.iter().map(PublishError::fault).collect();
            for problem in &found {
                tracing::error!("tree {}: {}", tree.name, foreign::tame(chain(problem)));
            }
            return Ok(outcome::exit_status(&[], &faults));
        }
        Some(Deed::Diff { tree, from, to, json }) => {
            let found = difference(named(&all, tree)?, *from, *to).map_err(failure)?;
            match json {
                true => output::object(&found)?,
                false => found.changes.iter().try_for_each(output::text)?,
            }
            return Ok(intraware_core::exit::OK);
        }
        Some(Deed::Snapshots { tree, json }) => return show(named(&all, tree)?, *json),
    }
    let trees = wanted(&all, arguments)?;
    let context = process::context("manage", common);
    if arguments.dry_run {
        return look(&trees, arguments, &context);
    }
    let is_partial = !arguments.trees.is_empty() || !arguments.suites.is_empty() || arguments.security_only;
    let mut diary = Diary::begin_by("manage publish", is_partial, &common.config, &context);
    let ended = pass(trees, arguments, &context, &mut diary);
    diary.keep_where_spooled(&ended, &common.config, &context);
    ended
}

/// Publishes what is due in these trees.
fn pass(
    trees: Vec<&TreeConfig>,
    arguments: &Arguments,
    context: &RunContext,
    diary: &mut Diary,
) -> Result<u8, Failure> {
    let mut faults = Vec::new();
    let mut passes = Vec::new();
    for tree in trees {
        let done = publish(tree, &wish(tree, arguments), context);
        diary.count("passes", done.passes.len() as u64);
        diary.count("problems", done.problems.len() as u64);
        done.busy.iter().for_each(|holder| diary.locked(holder));
        tell(tree, &done, arguments, context)?;
        faults.extend(done.problems.iter().map(|problem| problem.fault()));
        passes.extend(done.passes.into_iter().map(|pass| (tree.name.clone(), pass)));
    }
    diary.faults(&faults);
    if arguments.json {
        let passes: Vec<_> = passes.iter().map(|(tree, pass)| Made { tree, pass }).collect();
        output::list("passes", &passes)?;
    }
    Ok(outcome::exit_status(&[], &faults))
}

/// A pass, with its tree.
#[derive(serde::Serialize)]
struct Made<'a> {
    tree: &'a str,
    #[serde(flatten)]
    pass: &'a Finished,
}

/// Returns the trees that are asked for, if each of them and each suite is known.
fn wanted<'a>(all: &'a [TreeConfig], arguments: &Arguments) -> Result<Vec<&'a TreeConfig>, Failure> {
    if all.is_empty() {
        let message = "there is no [[tree]] in the configuration; config/intraware.toml shows one";
        return Err(Failure::new(Fault::Configuration, message));
    }
    if let Some(name) = arguments.trees.iter().find(|name| all.iter().all(|tree| tree.name != **name)) {
        return Err(unknown(all, name));
    }
    let is_wanted = |tree: &&TreeConfig| arguments.trees.is_empty() || arguments.trees.contains(&tree.name);
    let trees: Vec<&TreeConfig> = all.iter().filter(is_wanted).collect();
    let has = |suite: &String| trees.iter().any(|tree| tree.all_suites().any(|other| other == suite));
    if let Some(suite) = arguments.suites.iter().find(|suite| !has(suite)) {
        let suite = foreign::escape(suite);
        return Err(Failure::usage(format!("no tree that is asked for has the suite {suite}")));
    }
    match arguments.suites.is_empty() {
        true => Ok(trees),
        // A tree with none of the suites has nothing to do.
        false => Ok(trees.into_iter().filter(|tree| !wish(tree, arguments).suites.is_empty()).collect()),
    }
}

fn failure(error: PublishError) -> Failure {
    Failure::new(error.fault(), chain(&error))
}

fn named<'a>(all: &'a [TreeConfig], name: &str) -> Result<&'a TreeConfig, Failure> {
    all.iter().find(|tree| tree.name == name).ok_or_else(|| unknown(all, name))
}

fn unknown(all: &[TreeConfig], name: &str) -> Failure {
    let known: Vec<&str> = all.iter().map(|tree| tree.name.as_str()).collect();
    Failure::usage(format!("no tree is called {}; there is {}", foreign::escape(name), known.join(", ")))
}

fn show(tree: &TreeConfig, as_json: bool) -> Result<u8, Failure> {
    let found = snapshots(tree).map_err(failure)?;
    if as_json {
        output::list("snapshots", &found)?;
        return Ok(intraware_core::exit::OK);
    }
    for Snapshot { number, made, is_live, path } in found {
        let mark = if is_live { "  in place" } else { "" };
        output::text(format!("{number}  {made:.0}  {}{mark}", foreign::path(&path)))?;
    }
    Ok(intraware_core::exit::OK)
}

fn wish(tree: &TreeConfig, arguments: &Arguments) -> Wish {
    let suites = tree.all_suites().filter(|suite| arguments.suites.iter().any(|wanted| wanted == suite));
    Wish { suites: suites.map(str::to_owned).collect(), security_only: arguments.security_only }
}

fn look(trees: &[&TreeConfig], arguments: &Arguments, context: &RunContext) -> Result<u8, Failure> {
    let (mut plans, mut faults): (Vec<Plan>, Vec<Fault>) = Default::default();
    for tree in trees {
        match plan(tree, &wish(tree, arguments), context.now()) {
            Ok(plan) => plans.push(plan),
            // The others can be looked at all the same.
            Err(error) => {
                tracing::error!("tree {}: {}", tree.name, foreign::tame(chain(&error)));
                faults.push(error.fault());
            }
        }
    }
    if arguments.json {
        output::list("plans", &plans)?;
    } else {
        plans.iter().try_for_each(output::text)?;
    }
    Ok(outcome::exit_status(&[], &faults))
}

fn tell(
    tree: &TreeConfig,
    done: &Report,
    arguments: &Arguments,
    context: &RunContext,
) -> Result<(), Failure> {
    let name = &tree.name;
    for problem in &done.problems {
        tracing::error!("tree {name}: {}", foreign::tame(chain(problem)));
    }
    if let Some(holder) = &done.busy {
        report::long_lock(&format!("the lock of the tree {name}"), holder, context.now());
        let told =
            format!("tree {name}: another run is at work, and goes round once more for this one: {holder}");
        if output::is_terminal() {
            output::complain(&told);
        } else {
            tracing::info!("{told}");
        }
    }
    for Finished { number, priority, suites, started, at, problems: _ } in &done.passes {
        let took = at.duration_since(*started).as_secs_f64();
        let told = format!(
            "tree {name}: published {} as {number}, priority {priority}, in {took:.1} s",
            suites.join(" ")
        );
        tracing::info!("{told}");
        if output::is_terminal() && !arguments.json {
            output::text(&told)?;
        }
    }
    if output::is_terminal()
        && !arguments.json
        && done.passes.is_empty()
        && done.problems.is_empty()
        && done.busy.is_none()
    {
        output::text(format!("tree {name}: nothing was due"))?;
    }
    Ok(())
}
