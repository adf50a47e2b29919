"""What a message says: the writer's own words, automatic mail, escalation phrases and sentiment.

Everything here is a function of its text: no clock, no network, and of files only the lists that the
package ships. Time grows linearly with the length of the text.
"""
