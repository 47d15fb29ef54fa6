"""What is generated from the steps' declarations: directives, parameter files, reference pages."""
