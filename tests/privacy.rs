//! No personal identifier lies open on disk, in logs or in metrics after a run.
