"""What `scripts/bench` measures: one module a subject, each figure beside the limit of its run."""
