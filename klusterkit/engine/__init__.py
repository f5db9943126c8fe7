"""The workflow engine: steps, plans, the journal and the runner. It knows no Kubernetes and no SSH."""
