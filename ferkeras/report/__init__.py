"""What people see: console, pictures and TensorBoard."""
