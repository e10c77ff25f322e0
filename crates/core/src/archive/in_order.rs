//! Work done on several threads whose results come in the order in which the work was given.
//!
//! Bounded: giving work waits while `ahead` results have not been taken, so that whoever is slowest sets the
//! pace and memory does not grow. When the taker goes away, giving fails; when the giver goes away, the
//! results end and the threads with them.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope};

use super::stages::Stage;

/// Takes work; drop it when there is no more.
pub(super) struct Feed<J, R> {
    jobs: SyncSender<(J, SyncSender<R>)>,
    order: SyncSender<Receiver<R>>,
}

/// Nobody takes the results any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// The results, in order.
pub(super) struct Results<R> {
    order: Receiver<Receiver<R>>,
}

/// Starts `threads` threads, each with a worker that `hire` makes, which work up to `ahead` jobs ahead of the
/// results. Their time is counted as `stage`'s.
pub(super) fn in_order<'scope, J, R, W>(
    scope: &'scope Scope<'scope, '_>,
    stage: &'scope Stage,
    threads: usize,
    ahead: usize,
    hire: impl Fn() -> W,
) -> io::Result<(Feed<J, R>, Results<R>)>
where
    J: Send + 'scope,
    R: Send + 'scope,
    W: FnMut(J) -> R + Send + 'scope,
{
    let (jobs, waiting) = sync_channel::<(J, SyncSender<R>)>(ahead);
    let (order, ordered) = sync_channel(ahead);
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..threads {
        let (waiting, mut work) = (Arc::clone(&waiting), hire());
        let next = move || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        Builder::new().name(stage.name().to_owned()).spawn_scoped(scope, move || {
            let _counted = stage.thread();
            while let Ok((job, slot)) = next() {
                // If nobody wants the result any more, the next job is not wanted either, and none will come.
                let _ = slot.send(stage.busy(|| work(job)));
            }
        })?;
    }
    Ok((Feed { jobs, order }, Results { order: ordered }))
}

impl<J, R> Feed<J, R> {
    /// Gives a job; waits while too many results have not been taken.
    pub(super) fn give(&self, job: J) -> Result<(), Gone> {
        let (slot, result) = sync_channel(1);
        self.order.send(result).map_err(|_| Gone)?;
        self.jobs.send((job, slot)).map_err(|_| Gone)
    }
}

impl<R> Iterator for Results<R> {
    type Item = R;

    /// Waits for the next result; `None` when all work is done and no more will come.
    ///
    /// # Panics
    /// If the worker panicked, since going on would lose its result.
    fn next(&mut self) -> Option<R> {
        let result = self.order.recv().ok()?;
        Some(result.recv().expect("a worker answers every job unless it panics"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn results_come_in_order_however_long_each_takes() {
        let stage = Stage::new("test");
        for threads in [1, 2, 7] {
            let results: Vec<u64> = thread::scope(|scope| {
                let hire = || |job: u64| (0..(job * 7_919) % 1_000).fold(job, |n, _| std::hint::black_box(n));
                let (feed, results) = in_order(scope, &stage, threads, 3, hire).unwrap();
                scope.spawn(move || (0..500).for_each(|job| feed.give(job).unwrap()));
                results.collect()
            });
            assert!(results.iter().copied().eq(0..500), "{threads} threads");
        }
    }

    #[test]
    fn no_more_is_begun_than_was_asked_for() {
        let (stage, begun) = (Stage::new("test"), AtomicUsize::new(0));
        thread::scope(|scope| {
            let hire = || |(): ()| begun.fetch_add(1, Ordering::SeqCst);
            let (feed, mut results) = in_order(scope, &stage, 4, 5, hire).unwrap();
            scope.spawn(move || while feed.give(()).is_ok() {});
            for taken in 0..100 {
                assert!(begun.load(Ordering::SeqCst) <= taken + 5);
                results.next().unwrap();
            }
        });
    }

    #[test]
    fn a_worker_s_panic_is_not_a_short_result() {
        let stage = Stage::new("test");
        let outcome = std::panic::catch_unwind(|| {
            thread::scope(|scope| {
                let hire = || |job: u32| if job == 3 { panic!("as planned") } else { job };
                let (feed, results) = in_order(scope, &stage, 2, 2, hire).unwrap();
                scope.spawn(move || (0..9).map_while(|job| feed.give(job).ok()).count());
                results.count()
            })
        });
        assert!(outcome.is_err());
    }
}
