//! A connection that is given up once its other side has read nothing for a while.
//!
//! HTTP has a limit for everything that is waited for, save for an answer that nobody takes: without this one a stranger
//! who asks and never reads would keep a place among the connections, and the answer, for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long the other side may take nothing. Longer than a WebSocket waits, which says goodbye in words.
pub(super) const STALL_LIMIT: Duration = Duration::from_secs(60);

/// The connection.
pub(super) struct Patient<S> {
    inner: S,
    limit: Duration,
    /// Since when nothing is taken; an idle connection has none.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// With a limit for how long nothing may be taken.
    pub(super) fn new(inner: S, limit: Duration) -> Self {
        Self {
            inner,
            limit,
            stalled: None,
        }
    }

    /// What a write came to; an error where it has waited for too long.
    fn judge<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        let why = "the other side reads nothing";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.judge(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.judge(shut, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_nothing_is_given_up() {
        let (near, _far) = duplex(16);
        let mut near = Patient::new(near, LIMIT);
        let begun = tokio::time::Instant::now();
        let written = near.write_all(&[0; 64]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_slowly_gets_all() {
        let (near, mut far) = duplex(16);
        let mut near = Patient::new(near, LIMIT);
        let reading = tokio::spawn(async move {
            let mut read = 0;
            let mut part = [0; 16];
            while read < 64 {
                sleep(LIMIT - Duration::from_secs(1)).await;
                read += far.read(&mut part).await.unwrap();
            }
            read
        });
        near.write_all(&[0; 64]).await.unwrap();
        assert_eq!(reading.await.unwrap(), 64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_nothing_to_say_may_be_silent() {
        let (near, mut far) = duplex(16);
        let mut near = Patient::new(near, LIMIT);
        near.write_all(&[0; 8]).await.unwrap();
        sleep(10 * LIMIT).await;
        far.write_all(&[1; 8]).await.unwrap();
        let mut read = [0; 8];
        near.read_exact(&mut read).await.unwrap();
        near.write_all(&[0; 8]).await.unwrap();
    }
}
