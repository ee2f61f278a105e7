"""What decides: each oracle answers one kind of question, with arithmetic that can be trusted."""
