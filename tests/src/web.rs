//! A web server for what is published: Python's, which follows links as those of distributions are told to.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The server. Dropping it ends it.
pub struct Web {
    child: Child,
    address: SocketAddr,
}

impl Web {
    /// Serves a directory on a free port of loopback.
    pub fn serve(dir: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0", "--directory"]).arg(dir);
        Self::start(command)
    }

    /// Serves it over TLS, with a key and certificate that are in one file. [`url`](Self::url) is not its
    /// address.
    pub fn serve_tls(dir: &Path, identity: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", WITH_TLS]).args([dir, identity]);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("python3 starts");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it listens");
        let port = line.split_whitespace().skip_while(|word| *word != "port").nth(1);
        let port: u16 =
            port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no port in {line:?}"));
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the directory that it serves.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// The same with TLS: python3 -c THIS DIRECTORY IDENTITY.
const WITH_TLS: &str = r#"
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("port", server.server_port, flush=True)
server.serve_forever()
"#;

impl Drop for Web {
    fn drop(&mut self) {
        // One that has ended is as dead as wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
