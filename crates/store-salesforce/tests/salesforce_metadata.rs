//! `config/salesforce/` against the defaults of the configuration: what is deployed there is what
//! `manage` asks for.
//!
//! Python's XML parser reads the files, so that a slip in one is not excused by a parser of our own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use intraware_config::{Backend, Config, SalesforceConfig};
use intraware_core::store::values::Values;

/// Prints each element with a text as its file, its path of names, and the text, with tabs between.
const FLATTEN: &str = r#"
import sys, xml.etree.ElementTree as tree
space = "{http://soap.sforce.com/2006/04/metadata}"
def walk(file, element, path):
    if not element.tag.startswith(space):
        sys.exit(f"{file}: {element.tag} is in the wrong namespace")
    path = f"{path}/{element.tag[len(space):]}"
    text = (element.text or "").strip()
    if text:
        print(file, path[1:], " ".join(text.split()), sep="\t")
    for child in element:
        walk(file, child, path)
for file in sys.argv[1:]:
    walk(file, tree.parse(file).getroot(), "")
"#;

/// The elements of one file.
#[derive(Default)]
struct Metadata(Vec<(String, String)>);

impl Metadata {
    fn read(path: &Path) -> &'static Self {
        static ALL: LazyLock<BTreeMap<PathBuf, Metadata>> = LazyLock::new(Metadata::read_all);
        ALL.get(path).unwrap_or_else(|| panic!("{} is missing or empty", path.display()))
    }

    /// Reads every file at once; one that is not well-formed ends the test.
    fn read_all() -> BTreeMap<PathBuf, Self> {
        let xml = files(&home()).into_iter().filter(|path| path.extension().is_some_and(|e| e == "xml"));
        let run = Command::new("python3").args(["-c", FLATTEN]).args(xml).output();
        let output = run.expect("this test needs python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut all: BTreeMap<PathBuf, Self> = BTreeMap::new();
        for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
            let [file, path, text] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            all.entry(file.into()).or_default().0.push((path.to_owned(), text.to_owned()));
        }
        all
    }

    fn all(&self, path: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == path).map(|(_, text)| text.as_str()).collect()
    }

    fn one(&self, path: &str) -> &str {
        let all = self.all(path);
        assert_eq!(all.len(), 1, "{path}: {all:?}");
        all[0]
    }
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/salesforce")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn defaults() -> (SalesforceConfig, Values) {
    let text =
        "records.salesforce = { client_id = \"x\", username = \"x\" }\nsite = [{ url = \"file:///x\" }]\n";
    let config = Config::parse(text, "defaults").expect("the defaults are valid");
    match config.records.backend {
        Backend::Salesforce(salesforce) => (*salesforce, config.records.values),
        Backend::Sqlite { .. } => panic!("the default backend is Salesforce"),
    }
}

/// The custom fields that the configuration names.
fn configured(salesforce: &SalesforceConfig) -> BTreeSet<String> {
    let fields = salesforce.fields.clone();
    let must = [
        fields.build_type,
        fields.build_path,
        fields.status,
        fields.trigger,
        fields.size,
        fields.md5,
        fields.sha1,
        fields.build_date,
    ];
    must.into_iter().chain(fields.detail).chain(fields.priority).collect()
}

fn field(name: &str) -> &'static Metadata {
    Metadata::read(&home().join(format!("source/objects/Build__c/fields/{name}.field-meta.xml")))
}

#[test]
fn every_file_is_listed_in_the_package_and_the_other_way_round() {
    let package = std::fs::read_to_string(home().join("package.xml")).expect("package.xml");
    let mut listed = BTreeSet::new();
    for part in package.split("<types>").skip(1) {
        let inside = |text: &str| text.split("</").next().unwrap_or_default().to_owned();
        let kind = inside(part.split("<name>").nth(1).expect("a kind"));
        listed.extend(part.split("<members>").skip(1).map(|member| (kind.clone(), inside(member))));
    }
    let mut present = BTreeSet::new();
    for path in files(&home().join("source")) {
        Metadata::read(&path);
        let file = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let (name, suffix) =
            file.strip_suffix("-meta.xml").and_then(|f| f.rsplit_once('.')).expect("a suffix");
        let (kind, name) = match suffix {
            "object" => ("CustomObject", name.to_owned()),
            "field" => ("CustomField", format!("Build__c.{name}")),
            "validationRule" => ("ValidationRule", format!("Build__c.{name}")),
            "permissionset" => ("PermissionSet", name.to_owned()),
            "customPermission" => ("CustomPermission", name.to_owned()),
            "tab" => ("CustomTab", name.to_owned()),
            "layout" => ("Layout", name.to_owned()),
            other => panic!("{other} is no kind of metadata that is known here"),
        };
        present.insert((kind.to_owned(), name));
    }
    assert_eq!(listed, present);
    assert_eq!(Metadata::read(&home().join("package.xml")).one("Package/version"), defaults().0.api_version);
}

#[test]
fn the_object_has_the_fields_of_the_default_configuration_and_no_other() {
    let (salesforce, _) = defaults();
    assert_eq!(salesforce.object, "Build__c");
    let names: BTreeSet<String> = files(&home().join("source/objects/Build__c/fields"))
        .iter()
        .map(|path| Metadata::read(path).one("CustomField/fullName").to_owned())
        .collect();
    assert_eq!(names, configured(&salesforce));
    let object = Metadata::read(&home().join("source/objects/Build__c/Build__c.object-meta.xml"));
    assert_eq!(object.one("CustomObject/nameField/type"), "Text");
    let shapes = [
        (salesforce.fields.build_path, "Text", "length", "255"),
        (salesforce.fields.detail.expect("a detail"), "Text", "length", "255"),
        (salesforce.fields.md5, "Text", "length", "32"),
        (salesforce.fields.sha1, "Text", "length", "40"),
        (salesforce.fields.size, "Number", "precision", "18"),
        (salesforce.fields.build_date, "DateTime", "required", "false"),
        (salesforce.fields.priority.expect("a priority"), "Number", "scale", "0"),
    ];
    for (name, kind, key, value) in shapes {
        let field = field(&name);
        assert_eq!((field.one("CustomField/fullName"), field.one("CustomField/type")), (name.as_str(), kind));
        assert_eq!(field.one(&format!("CustomField/{key}")), value, "{name}");
    }
}

#[test]
fn the_picklists_have_the_words_of_the_default_configuration_and_are_restricted() {
    let (salesforce, values) = defaults();
    let status = vec![values.error, values.in_process, values.completed, values.do_not_release];
    let lists = [
        (salesforce.fields.status, status),
        (salesforce.fields.trigger, vec![values.ready, values.associated]),
        (salesforce.fields.build_type, values.build_type),
    ];
    for (name, words) in lists {
        let field = field(&name);
        assert_eq!(field.one("CustomField/type"), "Picklist");
        assert_eq!(field.one("CustomField/valueSet/restricted"), "true");
        assert_eq!(field.all("CustomField/valueSet/valueSetDefinition/value/fullName"), words);
    }
}

#[test]
fn s0_10_the_rule_keeps_the_integration_user_and_nobody_else_from_leaving_a_hold() {
    let (salesforce, values) = defaults();
    let rules = files(&home().join("source/objects/Build__c/validationRules"));
    let [rule] = rules.as_slice() else { panic!("{rules:?}") };
    let rule = Metadata::read(rule);
    assert_eq!(rule.one("ValidationRule/active"), "true");
    let status = salesforce.fields.status;
    assert_eq!(
        rule.one("ValidationRule/errorConditionFormula"),
        format!(
            "AND( $Permission.Intraware_Integration, NOT(ISNEW()), ISCHANGED({status}), \
             ISPICKVAL(PRIORVALUE({status}), \"{}\") )",
            values.do_not_release
        )
    );
    let permitted = |set: &str| {
        let path = home().join(format!("source/permissionsets/{set}.permissionset-meta.xml"));
        Metadata::read(&path).all("PermissionSet/customPermissions/name").join(" ")
    };
    assert_eq!(permitted("Intraware_Integration"), "Intraware_Integration");
    assert_eq!(permitted("Intraware_Release"), "");
}

#[test]
fn the_integration_user_may_write_what_manage_writes_and_read_the_rest() {
    let (salesforce, _) = defaults();
    let path = home().join("source/permissionsets/Intraware_Integration.permissionset-meta.xml");
    let set = Metadata::read(&path);
    let fields = set.all("PermissionSet/fieldPermissions/field");
    let editable = set.all("PermissionSet/fieldPermissions/editable");
    let granted: BTreeMap<String, bool> = fields
        .iter()
        .zip(editable)
        .map(|(field, editable)| (field.trim_start_matches("Build__c.").to_owned(), editable == "true"))
        .collect();
    let fields = salesforce.fields.clone();
    let read_only = [fields.build_type, fields.build_path, fields.priority.unwrap_or_default()];
    let wanted: BTreeMap<String, bool> =
        configured(&salesforce).into_iter().map(|name| (name.clone(), !read_only.contains(&name))).collect();
    assert_eq!(granted, wanted);
    assert_eq!(set.one("PermissionSet/objectPermissions/allowEdit"), "true");
    assert_eq!(set.one("PermissionSet/objectPermissions/allowCreate"), "false");
    assert_eq!(set.one("PermissionSet/objectPermissions/allowDelete"), "false");
}
