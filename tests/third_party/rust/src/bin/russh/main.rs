//! Serves a directory over SFTP by russh and russh-sftp: russh PORT DIRECTORY
//!
//! DIRECTORY has `host_key`, `client.pub` and `site`, which is what the account sees as its root. Both crates
//! leave most to whoever uses them, and answer what is not written here in their own way: the wish for a
//! shell not at all.

mod files;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{PublicKey, load_public_key, load_secret_key};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Server, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};

use self::files::Files;

#[derive(Clone)]
struct Site {
    client: PublicKey,
    root: PathBuf,
}

impl Server for Site {
    type Handler = Connection;

    fn new_client(&mut self, _: Option<std::net::SocketAddr>) -> Connection {
        Connection { site: self.clone(), channels: HashMap::new() }
    }
}

struct Connection {
    site: Site,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(if key.public_key.key_data() == self.site.client.key_data() {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.close(channel)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match self.channels.remove(&id) {
            Some(channel) if name == "sftp" => {
                session.channel_success(id)?;
                russh_sftp::server::run(channel.into_stream(), Files::new(self.site.root.clone())).await;
                Ok(())
            }
            _ => session.channel_failure(id),
        }
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().and_then(|port| port.parse().ok()).expect("a port");
    let dir = PathBuf::from(arguments.next().expect("a directory"));
    let config = Config {
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![load_secret_key(dir.join("host_key"), None).expect("a host key")],
        ..Config::default()
    };
    let client = load_public_key(dir.join("client.pub")).expect("a client's key");
    let mut site = Site { client, root: dir.join("site") };
    site.run_on_address(Arc::new(config), ("127.0.0.1", port)).await.expect("a free port");
}
