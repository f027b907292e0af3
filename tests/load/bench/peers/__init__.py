"""The peers: other ways to bring a list of URLs into S3, installed and run by the benchmark."""
