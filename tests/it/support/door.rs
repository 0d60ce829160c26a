//! The address of a server that comes and goes: connections to it lead to wherever the server is at present.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The address. It ends with this value, and so do the connections.
pub(crate) struct Door {
    /// As an HTTP address.
    pub(crate) url: String,
    target: watch::Sender<Option<String>>,
    serving: JoinHandle<()>,
}

impl Door {
    /// One that leads nowhere yet. Where `loses` is a number, each connection breaks off before this piece of what the
    /// server says: the answer is lost, though what was asked is done.
    pub(crate) async fn open(loses: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = watch::Sender::new(None);
        let serving = tokio::spawn(serve(listener, target.subscribe(), loses));
        Self {
            url,
            target,
            serving,
        }
    }

    /// Leads to a server from now on.
    pub(crate) fn lead_to(&self, url: &str) {
        let (_, address) = url.split_once("://").unwrap();
        self.target.send_replace(Some(address.to_owned()));
    }

    /// Leads nowhere: connections break, and whoever comes is shown out.
    pub(crate) fn shut(&self) {
        self.target.send_replace(None);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    listener: TcpListener,
    target: watch::Receiver<Option<String>>,
    loses: Option<usize>,
) {
    // Connections end with the door.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(pass(stream, target.clone(), loses));
        while connections.try_join_next().is_some() {}
    }
}

async fn pass(
    stream: TcpStream,
    mut target: watch::Receiver<Option<String>>,
    loses: Option<usize>,
) {
    let Some(address) = target.borrow_and_update().clone() else {
        return;
    };
    let Ok(server) = TcpStream::connect(address).await else {
        return;
    };
    let (mut from_client, mut to_client) = stream.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async {
        let mut piece = vec![0; 64 * 1024];
        for number in 1.. {
            let Ok(length @ 1..) = from_server.read(&mut piece).await else {
                return;
            };
            let is_lost = loses == Some(number);
            if is_lost || to_client.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    // It breaks whenever a test wants.
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        () = back => {}
        _ = target.changed() => {}
    }
}
