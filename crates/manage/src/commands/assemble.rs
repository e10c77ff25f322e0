//! `manage assemble`: the fragments of several build machines become one package directory.

use std::path::PathBuf;

use clap::Args;
use intraware_assemble::merge::{Conflict, LineEndings, Rules};
use intraware_assemble::names::{MachineName, Package};
use intraware_assemble::{AssembleError, Assembled, Limits, Modes, Request, Step, assemble};
use intraware_cli::activity::Diary;
use intraware_cli::common::{Common, DEFAULT_CONFIG};
use intraware_cli::environment::variable;
use intraware_cli::failure::Failure;
use intraware_cli::{output, pages, process};
use intraware_config::AssembleConfig;
use intraware_core::exit;
use intraware_core::foreign;
use intraware_core::txlog::chain;

/// What the manual page says, and no help.
pub(crate) const MANUAL: &str = "\
The build machines have each delivered a fragment, <name>_<version>_<machine>.tar.gz, with a list of what is in it, \
built.files.<machine>.xml. All of them are checked against their lists, merged into one directory, and deleted.

A path that several machines provide must be the same everywhere: type, content, permissions, link target. The first machine \
by name provides it. Files that differ in their line ends alone are the same, and descpkg and version*.h in a subdirectory \
may differ; [assemble] in the configuration says what else may, and who wins. All other differences are reported, each with what \
it comes down to, and nothing is published.

The package appears whole, under <output>/<name>/<version>, or not at all. It is made beside that place, in a directory that \
begins with a dot, and flushed to the disk before it gets its name. built.files.packageAssembly.xml in it says which machine \
provided each file. Then the fragments are deleted; if there was an error, they are kept.

All can read the package, and execute what somebody could execute. Setuid, setgid and sticky bits are left out, and so is the \
right of others to write.";

/// Environment, and where things are.
pub(crate) const ENVIRONMENT: &str = "\
ENVIRONMENT:
  GBE_DPKG  the package archive: fragments are in .dpkg_archive/fragments below it,
            the package gets into <name>/<version>
  GBE_ABT   shown in the banner
";

/// What to assemble, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the package
    #[arg(value_name = "NAME", conflicts_with = "pname")]
    name: Option<String>,

    /// Version of the package
    #[arg(value_name = "VERSION", conflicts_with = "pversion")]
    version: Option<String>,

    /// Name of the package
    #[arg(long, value_name = "NAME")]
    pname: Option<String>,

    /// Version of the package
    #[arg(long, value_name = "VERSION")]
    pversion: Option<String>,

    /// Directory of the fragments
    ///
    /// Without it, .dpkg_archive/fragments below the archive.
    #[arg(long, visible_alias = "srcdir", value_name = "PATH")]
    srcpath: Option<PathBuf>,

    /// Machines that must have a fragment each, and no other may
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    machines: Vec<String>,

    /// Archive to put the package into, instead of GBE_DPKG
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Leave lists and differences in a new directory below this one
    ///
    /// For looking at them; it is kept. The package is not made there but beside its final place, because
    /// only there it can appear at once.
    #[arg(long, value_name = "PATH")]
    tmpdir: Option<PathBuf>,

    /// Allow differences: they become warnings, and the first machine wins. For tests
    #[arg(long = "mergeErrors", visible_alias = "merge-errors", overrides_with = "no_merge_errors")]
    merge_errors: bool,

    /// Differences are errors (the default)
    #[arg(long = "nomergeErrors", alias = "no-merge-errors", overrides_with = "merge_errors")]
    no_merge_errors: bool,

    /// Replace a package that is there already. For tests
    #[arg(long, alias = "preDelete", overrides_with = "no_predelete")]
    predelete: bool,

    /// A package that is there already is an error (the default)
    #[arg(long = "nopredelete", aliases = ["no-predelete", "nopreDelete"], overrides_with = "predelete")]
    no_predelete: bool,

    /// Keep the fragments
    #[arg(long = "keepFragments", visible_alias = "keep-fragments", overrides_with = "no_keep_fragments")]
    keep_fragments: bool,

    /// Delete the fragments when the package stands (the default)
    #[arg(long = "nokeepFragments", alias = "no-keep-fragments", overrides_with = "keep_fragments")]
    no_keep_fragments: bool,

    /// Delete the fragments on errors as well
    #[arg(long)]
    delete_on_error: bool,

    /// Work in .dpkg_archive/test_dpkg below the archive, as if that were the archive
    #[arg(long = "testArchive", visible_alias = "test-archive")]
    test_archive: bool,

    /// Make every file executable for all
    #[arg(long)]
    original_modes: bool,

    /// How many fragments are read at once; 0 for as many as there are cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,

    /// Print the result as JSON, and nothing else
    #[arg(long)]
    json: bool,

    /// Print the manual page, as roff
    #[arg(long)]
    man: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments, page: clap::Command) -> Result<u8, Failure> {
    if arguments.man {
        return pages::man_of(page, MANUAL).map(|()| exit::OK);
    }
    let paths = Paths::new(arguments.test_archive);
    let request = request(common, arguments, &paths)?;
    let speaks = !arguments.json && !common.quiet;
    if speaks {
        output::text(banner(&request, arguments, &paths))?;
    }
    let tell = |step: Step| {
        if speaks {
            // The end of the reader is no reason to stop.
            let _ = output::text(step);
        }
    };
    let context = process::context("manage", common);
    // Each fragment keeps two.
    process::open_many_files();
    let mut diary = Diary::begin_by("manage assemble", arguments.test_archive, &common.config, &context);
    let ended = match assemble(&request, &context, &tell) {
        Ok(assembled) => {
            diary.count("files", assembled.files as u64);
            diary.count("bytes", assembled.bytes);
            report(&assembled, arguments.json).map(|()| exit::OK)
        }
        Err(error) => failure(&error, arguments.json).and_then(Err),
    };
    diary.keep_where_spooled(&ended, &common.config, &context);
    ended
}

/// Where the archive is.
pub(super) struct Paths {
    archive: Option<PathBuf>,
}

impl Paths {
    pub(super) fn new(is_test: bool) -> Self {
        let archive = variable("GBE_DPKG").filter(|value| !value.is_empty()).map(PathBuf::from);
        let below = |archive: PathBuf| archive.join(".dpkg_archive").join("test_dpkg");
        Self { archive: if is_test { archive.map(below) } else { archive } }
    }

    /// Returns the archive itself.
    fn archive(&self, instead: &str) -> Result<PathBuf, Failure> {
        self.archive.clone().ok_or_else(|| {
            Failure::usage(format!("GBE_DPKG is not set; set it to the package archive, or give {instead}"))
        })
    }

    /// Returns the directory of the fragments.
    pub(super) fn fragments(&self) -> Result<PathBuf, Failure> {
        Ok(self.archive("--srcpath")?.join(".dpkg_archive").join("fragments"))
    }

    fn shown(&self) -> String {
        self.archive.as_ref().map(|path| foreign::path(path).to_string()).unwrap_or_default()
    }
}

fn request(common: &Common, arguments: &Arguments, paths: &Paths) -> Result<Request, Failure> {
    let given = |what: &str, positional: &Option<String>, option: &Option<String>| {
        let text = positional.as_ref().or(option.as_ref()).cloned();
        text.ok_or_else(|| {
            Failure::usage(format!("the package's {what} is not given; manage assemble NAME VERSION"))
        })
    };
    let name = given("name", &arguments.name, &arguments.pname)?;
    let version = given("version", &arguments.version, &arguments.pversion)?;
    let machines =
        arguments.machines.iter().map(|name| MachineName::new(name)).collect::<Result<Vec<_>, _>>();
    let machines = machines.map_err(|e| Failure::usage(e.to_string()))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Request {
        package: Package::new(&name, &version).map_err(|e| Failure::usage(e.to_string()))?,
        source: match &arguments.srcpath {
            Some(path) => path.clone(),
            None => paths.fragments()?,
        },
        output: match &arguments.output {
            Some(path) => path.clone(),
            None => paths.archive("--output")?,
        },
        work: arguments.tmpdir.clone(),
        machines: (!machines.is_empty()).then_some(machines),
        merge_errors: arguments.merge_errors,
        predelete: arguments.predelete,
        keep_fragments: arguments.keep_fragments,
        delete_on_error: arguments.delete_on_error,
        modes: if arguments.original_modes { Modes::Executable } else { Modes::Readable },
        rules: rules(common)?,
        threads: if arguments.threads == 0 { cores } else { arguments.threads },
        limits: Limits::default(),
    })
}

/// A build machine's daemon needs no configuration; one that is named must be there.
fn rules(common: &Common) -> Result<Rules, Failure> {
    let is_absent = common.config.as_os_str() == DEFAULT_CONFIG && !common.config.exists();
    let config = if is_absent { AssembleConfig::default() } else { AssembleConfig::load(&common.config)? };
    let mut rules = Rules::default();
    if !config.line_endings_are_same {
        rules.line_endings = LineEndings::Conflict;
    }
    for (pattern, winner) in &config.may_differ {
        let allowed = rules.allow(pattern, winner);
        allowed.map_err(|e| {
            Failure::new(exit::Fault::Configuration, format!("{}: {e}", foreign::path(&common.config)))
        })?;
    }
    Ok(rules)
}

fn banner(request: &Request, arguments: &Arguments, paths: &Paths) -> String {
    const RULE: &str = "---------------------------------------------------------------";
    let path = |path: &PathBuf| foreign::path(path).to_string();
    let work = request.work.clone().unwrap_or_else(|| request.package_dir());
    let abt = variable("GBE_ABT").map(|value| foreign::escape(value.as_encoded_bytes())).unwrap_or_default();
    let values = [
        ("Working dir", path(&work)),
        ("Fragment dir", path(&request.source)),
        ("Repository", paths.shown()),
        ("Target dir", path(&request.target())),
        ("DPKG_NAME", request.package.name().to_owned()),
        ("DPKG_VERSION", request.package.version().to_owned()),
        ("GBE_ABT", abt),
    ];
    let options = [
        (request.merge_errors, "mergeErrors", "Allowed"),
        (request.keep_fragments, "keepFragments", "Enabled"),
        (request.predelete, "preDelete", "Enabled"),
        (arguments.test_archive, "testArchive", "Enabled"),
        (request.delete_on_error, "deleteOnError", "Enabled"),
        (request.modes == Modes::Executable, "originalModes", "Enabled"),
    ];
    let version = env!("CARGO_PKG_VERSION");
    let mut lines =
        vec![RULE.to_owned(), "Dpkg fragment assembly tool".to_owned(), format!("Version: {version}")];
    lines.extend([String::new(), "Information:".to_owned()]);
    lines.extend(values.iter().map(|(name, value)| format!("{name:<13} = [{value}]")));
    if options.iter().any(|(is_on, ..)| *is_on) {
        lines.push(String::new());
    }
    let on = options.iter().filter(|(is_on, ..)| *is_on);
    lines.extend(on.map(|(_, name, value)| format!("Opt:{name:<15} = {value}")));
    lines.push(RULE.to_owned());
    lines.join("\n")
}

fn report(assembled: &Assembled, json: bool) -> Result<(), Failure> {
    let conflicts = assembled.conflicts.iter().flat_map(Conflict::lines);
    let dead = assembled.dead_links.iter().map(ToString::to_string);
    for warning in conflicts.chain(dead).chain(assembled.warnings.iter().cloned()) {
        tracing::warn!("{warning}");
    }
    let Assembled { files, directories, links, bytes, .. } = assembled;
    tracing::info!("{files} files of {bytes} bytes, {directories} directories, {links} links");
    if tracing::enabled!(tracing::Level::DEBUG) {
        for entry in assembled.entries.iter() {
            tracing::debug!("{} from {}", foreign::escape(&entry.path), entry.machine);
        }
    }
    if json { output::object(assembled) } else { Ok(()) }
}

/// Reports what the machines disagree on, all of it, and returns what the program ends with.
fn failure(error: &AssembleError, json: bool) -> Result<Failure, Failure> {
    if let AssembleError::Refused(fragments) = error {
        if json {
            output::list("refused", fragments)?;
        }
        fragments.iter().for_each(|fragment| output::complain(&fragment.to_string()));
    }
    if let AssembleError::Conflicts { conflicts, dead } = error {
        if json {
            output::object(&serde_json::json!({ "conflicts": conflicts, "dead_links": dead }))?;
        }
        for line in conflicts.iter().flat_map(Conflict::lines).chain(dead.iter().map(ToString::to_string)) {
            output::complain(&line);
        }
    }
    Ok(Failure::new(error.fault(), chain(error)))
}
