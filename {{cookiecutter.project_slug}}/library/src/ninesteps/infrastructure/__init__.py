"""What is created in an AWS account: stacks, permissions, state machines, published code."""
