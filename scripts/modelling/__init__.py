"""Models measured on real data sets beside well-known baselines: what ``scripts/models`` runs."""
