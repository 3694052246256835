"""Where nodes run: processes of this machine, pods of a Kubernetes cluster."""
