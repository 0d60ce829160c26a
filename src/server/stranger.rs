//! The wire of a WebSocket, as long as nobody knows who speaks: what it reads counts as the body of a request does.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::{Full, Share};

/// The wire.
pub(super) struct Stranger<S> {
    inner: S,
    /// What was read so far; none once it is known who speaks.
    share: Option<Share>,
}

impl<S> Stranger<S> {
    /// Of somebody who has said nothing yet.
    pub(super) fn new(inner: S, share: Share) -> Self {
        Self {
            inner,
            share: Some(share),
        }
    }

    /// The first words are over: from now on the limits of a session count.
    pub(super) fn is_heard(&mut self) {
        self.share = None;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stranger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        let grown = self.share.as_mut().map_or(Ok(()), |share| share.grow(read));
        let full = |Full| io::Error::new(io::ErrorKind::OutOfMemory, "too many say too much");
        Poll::Ready(grown.map_err(full))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stranger<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use tokio::io::AsyncReadExt as _;

    use super::super::body::Bodies;
    use super::*;

    #[tokio::test]
    async fn strangers_on_sockets_share_the_room_of_bodies_until_they_are_heard() {
        const MIB: usize = 1024 * 1024;
        let bodies = Arc::new(Bodies::default());
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let mut wire = |_| {
            let share = Share::begin(&bodies, Some(address));
            Stranger::new(tokio::io::repeat(b'x'), share)
        };
        let mut wires: Vec<_> = (0..200).map(&mut wire).collect();
        let mut taken = vec![0; MIB];
        let mut refused = 0;
        for wire in &mut wires {
            refused += usize::from(wire.read_exact(&mut taken).await.is_err());
        }
        assert!((1..200).contains(&refused), "{refused}");
        // Who was let in leaves its room to others.
        for wire in &mut wires {
            wire.is_heard();
            wire.read_exact(&mut taken).await.unwrap();
        }
        assert!(wire(0).read_exact(&mut taken).await.is_ok());
    }
}
