"""report.html and the model card of a finished run. Importing it is cheap: matplotlib comes in when it draws."""
