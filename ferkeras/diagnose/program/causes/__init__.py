"""What can be wrong with a program that trains a classifier, one probe a file."""
