//! An address that stays while the servers behind it come and go: a TCP gateway, for clients that outlive a server.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// The servers behind a gateway, the next one first.
type Backends = Arc<Mutex<Vec<SocketAddr>>>;

/// A gateway on a port of its own. Its connections end with it.
pub(crate) struct Gateway {
    address: SocketAddr,
    backends: Backends,
    /// Apart from the test's: the test may wait for programs without letting others run. `None` once it ends.
    runtime: Option<Runtime>,
}

impl Gateway {
    /// Opens a gateway to these servers.
    pub(crate) fn to(backends: &[SocketAddr]) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let backends = Backends::new(Mutex::new(backends.to_owned()));
        runtime.spawn(accept(listener, backends.clone()));
        Self {
            address,
            backends,
            runtime: Some(runtime),
        }
    }

    /// Leads new connections to other servers. Those that are open stay.
    pub(crate) fn lead_to(&self, backends: &[SocketAddr]) {
        *self.backends.lock().unwrap() = backends.to_owned();
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Not by dropping it: that waits, which the runtime of an asynchronous test forbids.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: std::net::TcpListener, backends: Backends) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(forward(client, backends.clone()));
    }
}

/// Moves bytes between a client and the first server that takes the connection; without one the client's ends.
async fn forward(mut client: TcpStream, backends: Backends) -> io::Result<()> {
    for backend in in_turn(&backends) {
        if let Ok(mut server) = TcpStream::connect(backend).await {
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            copy_bidirectional(&mut client, &mut server).await?;
            break;
        }
    }
    Ok(())
}

/// All servers, each time beginning with another one.
fn in_turn(backends: &Backends) -> Vec<SocketAddr> {
    let mut backends = backends.lock().unwrap();
    let all = backends.clone();
    if !backends.is_empty() {
        backends.rotate_left(1);
    }
    all
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::*;

    /// A server that says its name to everybody and then repeats what it hears.
    async fn server(name: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    client.write_all(name.as_bytes()).await.unwrap();
                    let (mut read, mut write) = client.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        address
    }

    /// A socket that holds its address and takes no connection.
    fn away() -> (TcpSocket, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    /// Connects; the connection and the name of who answers.
    async fn ask(gateway: &Gateway) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let mut name = [0; 1];
        stream.read_exact(&mut name).await.unwrap();
        (stream, String::from_utf8(name.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn connections_go_round_and_past_those_who_are_away() {
        let (a, b) = (server("a").await, server("b").await);
        let (_away, nobody) = away();
        let gateway = Gateway::to(&[a, nobody, b]);
        let mut names = Vec::new();
        for _ in 0..3 {
            names.push(ask(&gateway).await.1);
        }
        assert_eq!(names, ["a", "b", "b"]);
    }

    #[tokio::test]
    async fn the_address_stays_while_the_servers_change() {
        let (a, b) = (server("a").await, server("b").await);
        let gateway = Gateway::to(&[a]);
        let (mut old, name) = ask(&gateway).await;
        assert_eq!(name, "a");
        gateway.lead_to(&[b]);
        assert_eq!(ask(&gateway).await.1, "b");
        old.write_all(b"still here").await.unwrap();
        let mut heard = [0; 10];
        old.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"still here");
        gateway.lead_to(&[]);
        let mut alone = TcpStream::connect(gateway.address()).await.unwrap();
        assert_eq!(alone.read(&mut heard).await.unwrap(), 0);
    }
}
