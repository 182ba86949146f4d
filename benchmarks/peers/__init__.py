"""What our jobs are compared with: the same work written by hand as well as we can, and a naive way, for scale."""
