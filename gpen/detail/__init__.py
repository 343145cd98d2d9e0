"""What is done to restored crops so that their detail is the photograph's and no more: blend, enhancement, finish."""
