//! Serves a directory over FTP by libunftp: libunftp PORT DIRECTORY [--tls]
//!
//! DIRECTORY has `password`, which is that of the account `upload`, `site`, which is what the account sees as
//! its root, and for `--tls` `certificate` and `key`.

use std::path::PathBuf;
use std::sync::Arc;

use libunftp::ServerBuilder;
use libunftp::options::FtpsRequired;
use unftp_core::auth::{AuthenticationError, Authenticator, Credentials, Principal};
use unftp_sbe_fs::Filesystem;

#[derive(Debug)]
struct Account {
    password: String,
}

#[async_trait::async_trait]
impl Authenticator for Account {
    async fn authenticate(&self, name: &str, shown: &Credentials) -> Result<Principal, AuthenticationError> {
        if name == "upload" && shown.password.as_deref() == Some(self.password.as_str()) {
            return Ok(Principal { username: name.to_owned() });
        }
        Err(AuthenticationError::BadPassword)
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().expect("a port");
    let dir = PathBuf::from(arguments.next().expect("a directory"));
    let password = std::fs::read_to_string(dir.join("password")).expect("a password");
    let site = dir.join("site");
    let mut server =
        ServerBuilder::new(Box::new(move || Filesystem::new(site.clone()).expect("a directory")))
            .authenticator(Arc::new(Account { password }));
    if arguments.next().as_deref() == Some("--tls") {
        let required = FtpsRequired::All;
        server = server.ftps(dir.join("certificate"), dir.join("key")).ftps_required(required, required);
    }
    let server = server.build().expect("a server");
    server.listen(format!("127.0.0.1:{port}")).await.expect("a free port");
}
