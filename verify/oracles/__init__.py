"""What decides: each oracle answers one kind of question about an instance, with arithmetic that can be trusted."""
