"""A real Kubernetes API server, controllers and scheduler; its kubelet runs pods as processes."""
