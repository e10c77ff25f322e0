//! Ansible, from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::fleet::{Fleet, HERE, Kind};
use crate::failure::{Doing as _, Failure};
use crate::measure;

/// What is installed, into a directory of its own.
const ANSIBLE: &str = "ansible-core==2.16.14";

/// Makes the command that copies packages to the healthy machines and runs their upgrades.
pub(super) fn playbook(dir: &Path, fleet: &Fleet, packages: &[PathBuf]) -> Result<Command, Failure> {
    // What is kept over runs is beside what is made anew.
    let venv = dir.ancestors().nth(2).unwrap_or(dir).join("ansible-venv");
    let ansible = venv.join("bin/ansible-playbook");
    if !ansible.exists() {
        measure::output(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        measure::output(Command::new(venv.join("bin/pip")).args(["install", "--quiet", ANSIBLE]))?;
    }
    fs::create_dir_all(dir).doing(|| format!("cannot make {}", dir.display()))?;
    let options = format!(
        "ansible_user=root ansible_ssh_private_key_file={} ansible_python_interpreter=/usr/bin/python3 \
         ansible_ssh_common_args='-o UserKnownHostsFile={} -o IdentitiesOnly=yes'",
        fleet.private_key().display(),
        fleet.known_hosts().display(),
    );
    let host =
        |addr: &std::net::SocketAddr| format!("{} ansible_port={} {options}\n", addr.ip(), addr.port());
    let inventory: String = fleet.hosts(|kind| kind == Kind::Healthy).iter().map(host).collect();
    let names: Vec<_> = packages.iter().filter_map(|package| package.file_name()?.to_str()).collect();
    let from = packages.first().and_then(|package| package.parent()).unwrap_or(Path::new("/"));
    let play = format!(
        "- hosts: all\n  gather_facts: false\n  vars:\n    packages: {}\n  tasks:\n  \
         - copy: {{ src: '{}/{{{{ item }}}}', dest: {HERE}/in/ }}\n    loop: '{{{{ packages }}}}'\n  \
         - command: {{ argv: [{HERE}/upgrade, '{HERE}/in/{{{{ item }}}}'] }}\n    loop: '{{{{ packages }}}}'\n",
        serde_json::Value::from(names),
        from.display(),
    );
    let settings = "[defaults]\nforks = 20\nhost_key_checking = true\nremote_tmp = /mnt/tmp\n";
    for (name, text) in [("inventory", &inventory[..]), ("play.yml", &play), ("ansible.cfg", settings)] {
        fs::write(dir.join(name), text).doing(|| format!("cannot write {name}"))?;
    }
    let mut command = Command::new(ansible);
    command.args(["-i", "inventory", "play.yml"]).current_dir(dir);
    command.env_clear().env("HOME", dir).env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
    Ok(command)
}
