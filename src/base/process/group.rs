//! A program and all that it starts, to be ended together.

use std::io;

use tokio::process::{Child, Command};

#[cfg(not(unix))]
pub(super) use other::Group;
#[cfg(unix)]
pub(super) use unix::Group;

#[cfg(unix)]
mod unix {
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
    use tokio::time::{sleep, timeout};

    use super::{Child, Command, io};

    /// How long a group may take to end once it was asked to.
    const GRACE: Duration = Duration::from_secs(2);

    /// How long to wait between two looks at whether anybody of a group is left: nothing tells.
    const LOOK_EVERY: Duration = Duration::from_millis(10);

    /// A process group. Dropping it kills whoever is in it.
    pub struct Group(Option<Pid>);

    impl Group {
        /// Starts a program as the first of a group.
        pub fn start(command: &mut Command) -> io::Result<(Child, Self)> {
            let child = command.process_group(0).kill_on_drop(true).spawn()?;
            let id = child.id().and_then(|id| i32::try_from(id).ok());
            Ok((child, Self(id.and_then(Pid::from_raw))))
        }

        /// Asks the group to end, and kills it where it does not.
        pub async fn end(&mut self, child: &mut Child) {
            self.signal(Signal::TERM);
            let ended = async {
                // That it cannot be waited for is seen by the looks that follow.
                let _ = child.wait().await;
                while self.is_left() {
                    sleep(LOOK_EVERY).await;
                }
            };
            if timeout(GRACE, ended).await.is_err() {
                self.signal(Signal::KILL);
            }
            self.leave();
            // It is as good as dead; what hangs in the system is not waited for.
            let _ = timeout(GRACE, child.wait()).await;
        }

        /// Leaves the group alone from now on.
        pub fn leave(&mut self) {
            self.0 = None;
        }

        fn is_left(&self) -> bool {
            self.0.is_some_and(|id| test_kill_process_group(id).is_ok())
        }

        fn signal(&self, signal: Signal) {
            if let Some(id) = self.0 {
                // It may have ended.
                let _ = kill_process_group(id, signal);
            }
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            self.signal(Signal::KILL);
        }
    }
}

#[cfg(not(unix))]
mod other {
    use super::{Child, Command, io};

    /// A program alone: there are no groups here.
    pub struct Group;

    impl Group {
        /// Starts a program.
        pub fn start(command: &mut Command) -> io::Result<(Child, Self)> {
            Ok((command.kill_on_drop(true).spawn()?, Self))
        }

        /// Kills it.
        pub async fn end(&mut self, child: &mut Child) {
            // It may have ended.
            let _ = child.kill().await;
        }

        /// Nothing is done to what it started anyway.
        pub fn leave(&mut self) {}
    }
}
