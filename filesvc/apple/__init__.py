"""
The wire, Apple's part: what Macs keep with files, as bytes and as values.

Nobody specifies these formats as a whole: sources are RFC 1740 (AppleDouble), Inside Macintosh (FinderInfo) and Apple's open SMBClient.
"""
